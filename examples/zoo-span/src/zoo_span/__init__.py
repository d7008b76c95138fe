"""Plugins of zoo: the generator `span`, the adversary `r3gan`, and recipes of both.

Importing this package imports nothing. zoo imports `span` and `r3gan` when they are first used and
reads `registry.yaml` as data.
"""
