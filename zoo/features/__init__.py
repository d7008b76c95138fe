"""Frozen feature networks and the learned distances built on them, for losses and metrics.

Losses train against them and metrics score with them, built here from the same weights. The
weights' sources are in `zoo.weights`.

Internal.
"""
