"""Recipes: from `registry.yaml` to a run's specification and from there to its components."""
