"""The signals that ask a program to end; zoo treats all of them like SIGTERM.

A terminal that is gone sends SIGHUP. Batch systems say that a job's time is almost up with SIGUSR1
or SIGUSR2 (SLURM: `--signal=USR1@60`), and the kernel or they that its processor time is used up
with SIGXCPU.
"""

from __future__ import annotations

import signal

ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)
"""Each would end a program at once that says nothing else."""


def heeded() -> list[signal.Signals]:
    """Return those of `ENDING` that are not ignored: `nohup` means that SIGHUP changes nothing."""
    return [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
