"""Lets `python -m zoo train ...` run the same program as `zoo`."""

from zoo.commands.app import main

if __name__ == "__main__":
    main()
