"""Lets a checkout run `python cli.py train ...`; the same program as `zoo`."""

from zoo.commands.app import main

if __name__ == "__main__":
    main()
