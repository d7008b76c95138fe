"""Frozen feature networks and learned distances on them, for losses and metrics (internal).

Losses train against them and metrics score with them, built here from the same weights. The
weights' sources are in `zoo.weights`.
"""
