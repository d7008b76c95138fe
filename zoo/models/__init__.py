"""Models: a generator with its weights and where they come from, as one file or one folder."""
