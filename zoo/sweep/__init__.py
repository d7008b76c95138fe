"""Sweeps: many trainings in order, each an idempotent job, so that a broken sweep continues."""
