"""Observers of trainings in the test's own process: one breaks off, one takes notes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from zoo.train.observer import Observer


class Stopper(Observer):
    """Breaks off the stages it is told to, at the steps it is told, in one way or another."""

    def __init__(self, stage: str, step: int, how: BaseException | int) -> None:
        self.stage, self.step, self.how = stage, step, how
        self.current = ""

    def stage_started(self, recipe: str, stage: str, step: int, num_steps: int) -> None:
        self.current = stage

    def stepped(self, step: int, num_images: int) -> None:
        if (self.current, step) == (self.stage, self.step):
            if isinstance(self.how, int):
                os.kill(os.getpid(), self.how)
            else:
                raise self.how


class Notes(Observer):
    """Remembers which stages began, and every row."""

    def __init__(self) -> None:
        self.started: list[tuple[str, str, int]] = []
        self.rows: list[Mapping[str, Any]] = []
        self.notices: list[str] = []

    def notice(self, message: str) -> None:
        self.notices.append(message)

    def stage_started(self, recipe: str, stage: str, step: int, num_steps: int) -> None:
        self.started.append((recipe, stage, step))

    def logged(self, row: Mapping[str, Any]) -> None:
        self.rows.append(row)
