"""Training from Python: the body of `zoo.train()`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.models.initial import specified
from zoo.recipes.checks import checked_book
from zoo.recipes.resolve import written_settings
from zoo.recipes.start import start_of
from zoo.runs import RUN_ROOT
from zoo.runs.commands import source_options
from zoo.runs.device import choose_device, default_profile
from zoo.train.lines import LineObserver, tell_on_stderr
from zoo.train.observer import Observer
from zoo.train.prepare import Options
from zoo.train.run import Run
from zoo.train.run import train as train_run


def train(
    recipe: str,
    *,
    profile: str | None = None,
    seed: int = 0,
    data: str | Path | None = None,
    init: str | Path | Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | Sequence[str] = (),
    data_root: str | Path | None = None,
    run_root: str | Path = RUN_ROOT,
    device: str = "auto",
    fresh: bool = False,
    registry: Sequence[str | Path] = (),
    plugins: Sequence[str | Path] = (),
    observer: Observer | None = None,
) -> Run:
    """Return the run of a recipe, with `.metrics` and `.generator()`; train what is missing of it.

    Args:
        recipe: name of a recipe, see `zoo.list("recipes")`.
        profile: how much to train; by default `paper` on a CUDA GPU, otherwise `demo`.
        seed: random seed for weights, data order and pretraining.
        data: training images: `samples`, a dataset's name, or a folder.
        init: start from these weights, named as in `zoo.load`; or a mapping, as `pretrained` of a
            recipe: `generator`, `discriminator`, or a finished `run` for both; `strict`.
        settings: such as `{"generator.num_blocks": 8}`, or a list of `"path=value"`.
        data_root: folder of datasets; by default `$ZOO_DATA`, otherwise zoo's own.
        run_root: folder of runs.
        device: `auto`, `cpu`, `cuda` or `cuda:<n>`.
        fresh: delete the run's results and start again.
        registry: files of recipes, in addition to the built-in ones.
        plugins: Python files with components; zoo executes them.
        observer: receives the events; by default, lines on stderr. `Observer()` prints nothing.

    Raises:
        ZooError: for an error that the caller can correct; before training if possible.
        Interrupted: if Ctrl-C or one of `zoo.signals.ENDING` stopped it; the state is saved.

    Example:
        >>> import zoo
        >>> zoo.train("srresnet-nobn", profile="smoke", device="cpu").directory.as_posix()
        'runs/srresnet-nobn/smoke/seed-0'
    """
    book = checked_book(registry, plugins, required=recipe)
    chosen = default_profile(choose_device(device)) if profile is None else profile
    wanted = [*written_settings(settings), *_data_setting(data)]
    start, runs, root = start_of(init), Path(run_root), _path(data_root)
    spec = specified(book, recipe, chosen, run_root=runs, seed=seed, settings=wanted, start=start)
    sources = source_options(registry, plugins, data_root)
    return train_run(spec, Options(runs, root, device, fresh, _told(observer), sources))


def _path(place: str | Path | None) -> Path | None:
    return None if place is None else Path(place)


def _told(observer: Observer | None) -> Observer:
    return LineObserver(tell_on_stderr) if observer is None else observer


def _data_setting(data: str | Path | None) -> list[str]:
    return [] if data is None else written_settings({"data.source": str(data)})
