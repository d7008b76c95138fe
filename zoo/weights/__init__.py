"""Weights of feature networks: what is known (`catalog`), where it is and how to load it (`store`).

Importing this package imports neither torch nor timm: `zoo weights list` and `zoo doctor` must
answer at once. Weights of generators are in their runs, not here.

Internal.
"""
