"""The report: one page that says what was measured, made from records alone.

Not here: scoring and judging (`zoo.bench`). Nothing of training is imported.
"""
