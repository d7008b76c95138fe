"""The figures as a page of Markdown. Not here: measuring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from benchmarks.peers.machine import NO_UNITS
from benchmarks.tables import as_table, spread_text

MIB: Final = 1 << 20
GIGA: Final = 1e9
IMAGES: Final = 2
"""In a batch."""
AIMS: Final = {"float32": 1.3, "bfloat16": 2.4}
"""How many times as fast as each peer a step of zoo's is to be."""


BUSY: Final = (
    "Seconds are CPU time of one thread: other work was on the machine, and its share is not in "
    "them."
)


def as_markdown(document: Mapping[str, Any]) -> str:
    """Return the page of a document that `benchmarks.peers` writes."""
    parts = (
        ("train", "A training step", _train),
        ("upscale", "Upscaling a picture", _upscale),
        ("score", "Scoring pictures", _score),
    )
    lines = [
        "# zoo and what users would pick instead",
        "",
        (
            "A ratio says how many times as fast as the peer zoo is, of blocks or calls that took "
            "turns in one process: median (least to most). What is measured: benchmarks/README.md."
        ),
    ]
    for key, title, write in parts:
        if key in document:
            lines += ["", f"## {title}", "", *_provenance(document[key]), *write(document[key])]
    return "\n".join([*lines, ""])


def _provenance(part: Mapping[str, Any]) -> list[str]:
    made = part["revision"] or {}
    peers = ", ".join(f"{name} {version}" for name, version in part["peers"].items())
    lines = [
        (
            f"`{part['command']}`: {part['machine']} (flags: "
            f"{' '.join(part['flags']) or 'unknown'}), {_threads(part['threads'])}; torch "
            f"{part['versions']['torch']}, {peers or 'no peers'}; commit "
            f"{str(made.get('commit'))[:7]}{' and changes' if made.get('dirty') else ''}."
        ),
        "",
    ]
    if part["clock"] == "cpu":
        lines += [BUSY, ""]
    for package, reason in part["missing"].items():
        lines += [f"- {package}: {reason}."]
    return [*lines, ""] if part["missing"] else lines


def _train(part: Mapping[str, Any]) -> list[str]:
    lines = [] if part["bfloat16"] else [NO_UNITS, ""]
    lines += [f"- {name}: {done}." for name, done in part["done"].items()]
    for task in part["tasks"].values():
        lines += ["", f"### {task['title']}, batches of 2, 128x128", ""]
        lines += _speeds(task["rows"], part["steps"])
        lines += ["", *_checks(task["checks"]), ""]
        lines += [_limit(task, part["matrix_rate"]), "", *_operators(task["rows"])]
    return lines


def _speeds(rows: Sequence[Mapping[str, Any]], steps: int) -> list[str]:
    own = [row for row in rows if row["loop"] == "zoo"]
    executed = "; ".join(_executed(row["execution"]) for row in own)
    cells = [
        (
            row["loop"],
            row["precision"],
            spread_text(row["images_per_second"]),
            "" if row["loop"] == "zoo" else spread_text(row["ratio"]),
            "" if row["loop"] == "zoo" else _aim(row),
        )
        for row in rows
    ]
    heading = ("loop", "precision", "images a second", "zoo is times as fast", "aim")
    turns = max(row["repeats"] for row in rows)
    return [
        f"{turns} turns of {steps} timed steps each. zoo chose for itself: {executed}.",
        "",
        *as_table(heading, cells),
    ]


def _aim(row: Mapping[str, Any]) -> str:
    aim = AIMS[row["zoo_precision"]]
    return f"{aim:g}: {'reached' if row['ratio']['median'] >= aim else 'missed'}"


def _executed(execution: Mapping[str, Any]) -> str:
    layout = "channels_last" if execution["channels_last"] else "NCHW"
    form = "compiled" if execution["compile"] else "eager"
    return f"{execution['precision']}, {layout}, {form}, {_threads(execution['threads'])}"


def _checks(checks: Mapping[str, Mapping[str, Any]]) -> list[str]:
    rows = [
        (
            name,
            "yes" if check["passed"] else "**no: not timed**",
            f"{check['largest']:.1e}",
            f"{min(check['moved'].values()):.1e}",
            "" if not check["departures"] else f"{check['apart']:.1e}",
        )
        for name, check in checks.items()
    ]
    heading = (
        "loop", "same step", "largest difference", "weights moved by", "from zoo's own order",
    )  # fmt: skip
    stated = [
        f"- {name}: {departure}."
        for name, check in checks.items()
        for departure in check["departures"]
    ]
    return [
        (
            "The same step: largest difference of any weight after a step from the same weights on "
            "the same batch, in float64. Where a peer's mathematics are not zoo's, zoo's own "
            "pieces do it the peer's way, and the last column has how far that is from zoo's step."
        ),
        "",
        *as_table(heading, rows),
        *(["", *stated] if stated else []),
    ]


def _operators(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return where a step's time goes; the profiler's own time is in it."""
    lines = [
        "Where a step goes: shares of the longest operators in their sum, by torch.profiler.",
        "",
    ]
    loops = {f"{row['loop']}, {row['zoo_precision']}": _shares(row["operators"]) for row in rows}
    totals: dict[str, float] = {}
    for operators in loops.values():
        for name, spent in operators.items():
            totals[name] = max(totals.get(name, 0.0), spent)
    longest = sorted(totals, key=lambda name: -totals[name])
    cells = [
        (
            f"`{name}`",
            *(f"{spent[name]:.1%}" if name in spent else "" for spent in loops.values()),
        )
        for name in longest
    ]
    return lines + as_table(("operator", *loops), cells)


def _shares(operators: Mapping[str, float]) -> dict[str, float]:
    total = sum(operators.values())
    return {name: spent / total for name, spent in operators.items()}


def _limit(task: Mapping[str, Any], matrix_rate: float) -> str:
    """Return how near the processor's limit zoo's steps are, and what is not in convolutions."""
    row = next(row for row in task["rows"] if row["loop"] == "zoo")
    rate = row["images_per_second"]["median"] / IMAGES * task["operations"]
    shares = _shares(row["operators"])
    inside = sum(share for name, share in shares.items() if "convolution" in name)
    return (
        f"A step of zoo's has {task['operations'] / GIGA:.0f} GFLOP and does {rate / GIGA:.0f} "
        f"GFLOP/s, {rate / matrix_rate:.0%} of a matrix product's {matrix_rate / GIGA:.0f}. "
        f"Convolutions have {inside:.0%} of it: without all the rest it would be "
        f"{1 / inside:.2f} times as fast, which bounds what a loop can gain with the same kernels "
        "in the same precision."
    )


def _upscale(part: Mapping[str, Any]) -> list[str]:
    lines = [f"- {name}: {about}." for name, about in part["about"].items()]
    for network in part["networks"].values():
        height, width = network["input"]
        lines += [
            "",
            f"### {network['title']} ({network['name']}, {network['parameters']:,} parameters)",
            "",
            (f"A picture of {width}x{height} ({part['megapixels']:g} MP), tiles of {part['tile']} "
            f"for realesrgan, {part['repeats']} turns. Memory is resident memory of a fresh "
            "process, in brackets what it had before; a difference is in levels of 8 bits."),
            "",
            *as_table(
                ("", "MP of output a second", "zoo is times as fast", "peak memory, MiB",
                 "largest difference"),
                (_upscaled(name, row) for name, row in network["rows"].items()),
            ),
        ]  # fmt: skip
    return lines


def _upscaled(name: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    memory, own = row["memory"], name == "zoo"
    return (
        name,
        _fine(row["megapixels_per_second"]),
        "" if own else spread_text(row["ratio"]),
        f"{memory['peak'] / MIB:,.0f} ({memory['before'] / MIB:,.0f})",
        "" if own else str(row["largest_difference"]),
    )


def _score(part: Mapping[str, Any]) -> list[str]:
    names = _score_names(part["rows"].values())
    cells = [
        (
            name,
            spread_text(row["images_per_second"]),
            "" if name == "zoo" else spread_text(row["ratio"]),
            *(
                "" if name == "zoo" else f"{row['largest_difference'][score]:.1e}"
                for score in names
            ),
        )
        for name, row in part["rows"].items()
    ]
    differences = (f"difference of {score}" for score in names)
    return [
        (
            f"{part['images']} pictures ({part['source']}; {part['megapixels']:.1f} MP together), "
            f"{part['repeats']} turns; PSNR and SSIM of the luma, LPIPS on VGG16. "
            "torchmetrics' SSIM counts windows over a mirrored border, too."
        ),
        "",
        *as_table(("", "images a second", "zoo is times as fast", *differences), cells),
    ]


def _score_names(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(next(iter(rows))["largest_difference"])


def _threads(number: int) -> str:
    return f"{number} thread{'' if number == 1 else 's'}"


def _fine(told: Mapping[str, float]) -> str:
    return f"{told['median']:.3g} ({told['least']:.3g} to {told['most']:.3g})"
