"""New plugins: a component with its recipe and its test, as files of the user's own (internal).

Not here: what a component must do (each kind's `base.py`), how plugins are found (`zoo.plugins`),
how they are judged (`zoo.testing`). The text that is written is in `templates/`.
"""
