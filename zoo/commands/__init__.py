"""The command line: each command parses its arguments, calls the library, and prints (internal).

Only this package prints. Results go to stdout; progress, logs and errors go to stderr.
"""
