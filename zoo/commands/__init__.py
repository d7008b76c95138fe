"""The command line: each command parses, calls the library, and prints.

Only this package prints. Results go to stdout, progress, logs and errors to stderr.
"""
