"""Every way pictures come into zoo, each given the whole corpus in a process of its own.

`python -m tests.bad_input.entrances` prints how many were used and how many named in an error, by
entrance; what is neither is listed, and the exit status is 1.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.bad_input.corpus import Pixels, Sample, make_corpus, photograph

SECONDS = 60
"""For one picture; on an idle core each takes far less than one."""
MAX_BYTES = 1_000_000_000
SCALE = 2
TOLERANCE = 2
"""Levels by which two roundings of a bicubic interpolation, one from 16 bits, may differ."""
SUITE = f"version: 1\nsummary: one\nscale: {SCALE}\ndatasets: [One]\nmetrics: [psnr-y]\n"
Report = dict[str, Any]
TINY = ("generator.width=8", "generator.num_blocks=1", "training.steps=1")


USED, NAMED, WRONG = "used", "named", "wrong"


class NotNamedError(Exception):
    """A picture was refused, and the error does not say which."""


class HungError(BaseException):
    """A picture took too long; nothing that handles errors handles this."""


def _place(sample: Sample, folder: Path) -> Path:
    path = folder / sample.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sample.content)
    return path


def _equal(found: Pixels, expected: Pixels | None, *, tolerance: int = 0) -> bool:
    if expected is None or found.shape != expected.shape:
        return False
    return int(np.abs(found.astype(int) - expected.astype(int)).max()) <= tolerance


def _judged(is_right: object) -> str:
    return USED if is_right else WRONG


def _to_rgb(pixels: Pixels) -> Pixels:
    return np.stack([pixels] * 3, axis=2) if pixels.ndim == 2 else pixels


def _cut(pixels: Pixels | None) -> Pixels | None:
    if pixels is None:
        return None
    height, width = (side - side % SCALE for side in pixels.shape[:2])
    return pixels[:height, :width]


def _zoo(*words: str | Path) -> tuple[int, str]:
    """Run a command in this process; an exception that is a bug goes through."""
    from typer.testing import CliRunner

    from zoo.commands.app import app

    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    return result.exit_code, result.output


def _require_named(code: int, output: str, expected: Sequence[int], sample: Sample) -> None:
    if code not in expected or sample.name not in "".join(output.split()):
        raise NotNamedError(f"exit {code}: {output[-300:]}")


def _two(sample: Sample, folder: Path, *, trained: bool) -> Path:
    """Put the picture beside a sound one, which is validated on where this one is trained on."""
    from zoo.data.images import write_png
    from zoo.data.sources import open_source

    path = _place(sample, folder)
    for number in range(1, 100):  # which of two is held out goes by their hashes
        write_png(folder / "sound.png", photograph() ^ np.uint8(number))
        if (path in open_source(str(folder)).training_paths) == trained:
            break
    return path


def train_on(sample: Sample, folder: Path) -> str:
    """The library below `zoo train --data FOLDER`, the picture among those that are cut."""
    from zoo.data.patches import PatchStore
    from zoo.data.sources import open_source

    _two(sample, folder / "photos", trained=True)
    paths = open_source(str(folder / "photos")).training_paths
    store = PatchStore.open_or_build(paths, SCALE, folder)
    expected = _cut(sample.pixels)
    return _judged(expected is not None and _equal(store.hr(0), _to_rgb(expected)))


def validate_on(sample: Sample, folder: Path) -> str:
    """The library below `zoo train --data FOLDER`, the picture being the one held out."""
    from zoo.data.sources import open_source
    from zoo.train.validation import Validator

    _two(sample, folder, trained=False)
    held_out = open_source(str(folder)).validation_paths
    return _judged(_equal(Validator(held_out, scale=SCALE).images[0].hr_image, _cut(sample.pixels)))


def train_command(sample: Sample, folder: Path) -> str:
    """`zoo train --data FOLDER`, one step of a tiny network."""
    photos = folder / "photos"
    _two(sample, photos, trained=True)
    options = [word for one in (*TINY, f"scale={SCALE}") for word in ("--set", one)]
    where = ("--data", photos, "--device", "cpu", "--run-root", folder / "runs")
    code, output = _zoo("train", "srresnet", "-p", "smoke", *where, *options)
    if code:
        _require_named(code, output, [2], sample)
        return NAMED
    return USED


def verify(sample: Sample, folder: Path) -> str:
    """`zoo data verify FOLDER`."""
    _two(sample, folder, trained=True)
    code, output = _zoo("data", "verify", folder)
    if code:
        _require_named(code, output, [4], sample)
        return NAMED
    return _judged("all 2 images are intact" in output)


def bench_hr(sample: Sample, folder: Path) -> str:
    """A suite whose high-resolution image it is."""
    from zoo.bench.suites import open_suite

    _place(sample, folder / "One" / "HR")
    (folder / "one.yaml").write_text(SUITE)
    image = open_suite(str(folder / "one.yaml"), data_root=folder).datasets[0][0]
    return _judged(_equal(image.hr_image, _cut(sample.pixels)))


def bench_lr(sample: Sample, folder: Path) -> str:
    """A suite whose low-resolution image it is."""
    from zoo.bench.suites import open_suite
    from zoo.data.images import write_png

    shown = photograph() if sample.pixels is None else sample.pixels
    larger = np.repeat(np.repeat(shown, SCALE, axis=0), SCALE, axis=1)
    _place(sample, folder / "One" / f"LR_x{SCALE}")
    write_png(folder / "One" / "HR" / f"{Path(sample.name).stem}.png", larger)
    (folder / "one.yaml").write_text(SUITE)
    image = open_suite(str(folder / "one.yaml"), data_root=folder).datasets[0][0]
    return _judged(_equal(image.lr_image, sample.pixels))


def bench_command(sample: Sample, folder: Path) -> str:
    """`zoo bench bicubic --suite FILE`."""
    _place(sample, folder / "One" / "HR")
    (folder / "one.yaml").write_text(SUITE)
    where = ("--data-root", folder, "--records", folder / "records", "--device", "cpu")
    at = ("--set", f"scale={SCALE}", "-p", "smoke", "--json")
    code, output = _zoo("bench", "bicubic", "--suite", folder / "one.yaml", *where, *at)
    if code:
        _require_named(code, output, [2, 3], sample)
        return NAMED
    return _judged('"psnr_y": {' in output)


def upscale_command(sample: Sample, folder: Path) -> str:
    """`zoo upscale FILE --model bicubic`."""
    from zoo.upscaling.pictures import read_picture

    path, target = _place(sample, folder), folder / "out" / "large.png"
    where = ("--model", "bicubic", "--device", "cpu", "-o", target)
    code, output = _zoo("upscale", path, *where)
    if code:
        _require_named(code, output, [3], sample)
        return NAMED
    colours = read_picture(target).colours
    return _judged(_is_enlarged(colours >> 8 if colours.dtype == np.uint16 else colours, sample))


def upscale_call(sample: Sample, folder: Path) -> str:
    """`zoo.upscale(path)`."""
    from PIL import Image as PillowImage

    import zoo

    large = zoo.upscale(_place(sample, folder), model="bicubic", device="cpu")
    if not isinstance(large, PillowImage.Image):
        return WRONG
    if large.mode.startswith("I;16"):
        return _judged(_is_enlarged(np.asarray(large) >> 8, sample))
    return _judged(
        _is_enlarged(np.asarray(large.convert("L" if large.mode == "LA" else large.mode)), sample)
    )


def _is_enlarged(found: Pixels, sample: Sample) -> bool:
    """Tell whether it is what the network makes of the plain decode, without tiles and files."""
    import torch

    from zoo.generators.bicubic import Bicubic

    if sample.pixels is None:
        return False
    image = torch.from_numpy(_to_rgb(sample.pixels) / np.float32(255)).permute(2, 0, 1)
    large = Bicubic(scale=4)(image[None])[0].clamp(0, 1).mul(255).round()
    expected = large.permute(1, 2, 0).numpy()
    expected = expected[:, :, 0] if sample.pixels.ndim == 2 else expected
    colours = found if found.ndim == 2 else found[:, :, :3]
    if sample.has_hidden:  # the invisible take the colours of their neighbours
        return colours.shape == expected.shape
    return _equal(colours, expected, tolerance=TOLERANCE)


ENTRANCES: dict[str, Callable[[Sample, Path], str]] = {
    "training": train_on,
    "validation": validate_on,
    "zoo data verify": verify,
    "suite, HR": bench_hr,
    "suite, LR": bench_lr,
    "zoo upscale": upscale_command,
    "zoo.upscale": upscale_call,
    "zoo train": train_command,
    "zoo bench": bench_command,
}
SLOW = ("zoo train", "zoo bench")
TAKES_ALL = ("zoo data verify", "suite, LR", "zoo upscale", "zoo.upscale")
"""Where one pixel is a picture like any other."""


def try_entrance(name: str, samples: Sequence[Sample], folder: Path) -> list[Report]:
    """Give an entrance each picture; return what became of it, and how long that took."""
    return [_try(name, sample, folder / f"{number:03d}") for number, sample in enumerate(samples)]


def _try(name: str, sample: Sample, folder: Path) -> Report:
    from zoo.errors import ZooError

    start, told = time.perf_counter(), ""
    signal.alarm(SECONDS)
    try:
        became = ENTRANCES[name](sample, folder)
    except ZooError as error:
        told = str(error)
        became = NAMED if sample.name in told else "not named"
    except NotNamedError as error:
        became, told = "not named", str(error)
    except HungError:
        became = "hung"
    except Exception as error:  # noqa: BLE001  whatever it is, the others are still tried
        became, told = "crashed", repr(error)
    finally:
        signal.alarm(0)
    if (became == NAMED and not _may_be_refused(name, sample)) or (
        became == USED and sample.pixels is None
    ):
        became = WRONG
    return {
        "sample": sample.name,
        "became": became,
        "told": told,
        "took": time.perf_counter() - start,
    }


def _may_be_refused(name: str, sample: Sample) -> bool:
    too_small = sample.pixels is not None and min(sample.pixels.shape[:2]) < SCALE
    return sample.may_be_refused or sample.pixels is None or (too_small and name not in TAKES_ALL)


def _stop(_number: int, _frame: object) -> None:
    raise HungError


def peak_bytes() -> int:
    """Return the most memory this process has had at once.

    Not what getrusage tells: that begins at the size of the process which started this one.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def run_here(names: Sequence[str], step: int = 1) -> dict[str, Any]:
    """Try entrances in this process; return the reports of each, and the memory it took.

    Args:
        names: of `ENTRANCES`.
        step: 1 for every sample, n for every n-th.
    """
    import torch

    import zoo

    torch.set_num_threads(1)
    signal.signal(signal.SIGALRM, _stop)
    zoo.upscale(photograph(), model="bicubic", device="cpu")
    samples = make_corpus()[::step]
    before, reports = peak_bytes(), dict[str, list[Report]]()
    for name in names:
        with tempfile.TemporaryDirectory(prefix="zoo-corpus-") as folder:
            os.environ["ZOO_HOME"] = f"{folder}/home"
            ENTRANCES[name](samples[0], Path(folder) / "imports")
            before = peak_bytes() if not reports else before
            reports[name] = try_entrance(name, samples, Path(folder))
    return {"before": before, "peak": peak_bytes(), "reports": reports}


def run_elsewhere(names: Sequence[str], step: int = 1) -> dict[str, Any]:
    """Do the same in a process of its own, so that the memory is that of these entrances alone."""
    command = [sys.executable, "-m", "tests.bad_input.entrances", "--json", str(step), *names]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        command, cwd=root, capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def main(words: Sequence[str]) -> int:
    """Print what became of every picture at every entrance, in counts."""
    if words[:1] == ["--json"]:
        sys.stdout.write(json.dumps(run_here(words[2:], int(words[1]))) + "\n")
        return 0
    bad = 0
    for name in words or ENTRANCES:
        result = run_elsewhere([name])
        reports = result["reports"][name]
        counts = Counter(report["became"] for report in reports)
        told = ", ".join(f"{count} {what}" for what, count in counts.most_common())
        before, peak = (result[key] / 1e6 for key in ("before", "peak"))
        slowest = max(reports, key=lambda report: float(report["took"]))
        _say(
            f"{name}: {len(reports)} pictures: {told}; slowest {slowest['sample']}, "
            f"{slowest['took']:.2f} s; peak {peak:.0f} MB (torch and zoo alone: {before:.0f})"
        )
        wrong = [report for report in reports if report["became"] not in (USED, NAMED)]
        bad += len(wrong)
        for report in wrong[:10]:
            _say(f"  {report['sample']} {report['became']}: {report['told'][:300]}")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
