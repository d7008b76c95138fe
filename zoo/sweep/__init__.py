"""Sweeps: many trainings in order, each an idempotent job, so that they can resume (internal)."""
