"""Models: a generator with its weights and their origin; also files of other tools (internal)."""
