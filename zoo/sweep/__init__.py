"""Sweeps: many trainings in order, each an idempotent job, so an interrupted sweep can resume.

Internal.
"""
