"""An observer that breaks off a training in its own process, at a step of a stage."""

from __future__ import annotations

import os

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
