"""The report: one page that says what was measured, made from records alone.

Not here: scoring (`zoo.bench`), judging (`zoo.compare`). Nothing of training is imported.
"""
