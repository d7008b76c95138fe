"""Weights of feature networks: which zoo knows, where they are, how to load them (internal).

Importing this package imports neither torch nor timm: `zoo weights list` and `zoo doctor` must
answer at once. Weights of generators are in their runs, not here.
"""
