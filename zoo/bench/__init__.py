"""Measuring: what a generator is worth and what it costs. Imports nothing of training."""
