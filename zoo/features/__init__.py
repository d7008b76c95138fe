"""Frozen feature networks and the learned distances made of them, for losses and metrics alike.

A loss trains against them, a metric scores by them; both build them here, from the same weights.
Where weights come from is in `zoo.weights`.
"""
