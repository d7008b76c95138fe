"""Models: a generator with its weights and their origin, as one file or one folder."""
