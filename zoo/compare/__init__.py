"""Judging records: tables, statistics, the verdicts on claims and factorials."""
