"""Training throughput: zoo's loop against a plain one, at the same shapes and mathematics.

Run it with `python -m benchmarks.speed`; how it measures is in docs/speed.md.
"""
