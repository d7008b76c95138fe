"""Runs: the directory each leaves behind, and the device it is executed on. Trains nothing.

Internal.
"""
