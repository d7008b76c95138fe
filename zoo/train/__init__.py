"""Training: from a run's specification to a trained generator in a run directory."""
