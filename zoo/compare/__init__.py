"""Judging records: tables, statistics, the verdicts on claims and factorials.

Public: `formats`, `tables`, `verdicts`.
"""
