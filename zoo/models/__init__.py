"""Models: a generator with its weights and where they come from; also files of other tools."""
