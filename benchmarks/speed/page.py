"""The figures as a page of Markdown. Not here: measuring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.speed.sizes import FAMILIES
from benchmarks.tables import as_table, spread_text

MIB = 1 << 20
GIGA = 1e9
SHARES = ("matrix product", "best convolution", "own convolutions")


def as_markdown(document: Mapping[str, Any]) -> str:
    """Return the page of a document that `benchmarks.speed` writes."""
    made = document["revision"] or {}
    provenance = (
        f"`{document['command']}`: {document['summary']}; {document['device']}; "
        f"{document['machine']}; torch {document['versions']['torch']}, {document['threads']} "
        f"threads, {document['num_workers']} loading processes of the plain loop; commit "
        f"{str(made.get('commit'))[:7]}{' and changes' if made.get('dirty') else ''}."
    )
    lines = [
        f"# Training speed: {document['size']}, {document['device']}",
        "",
        provenance,
        "How it is measured: `docs/speed.md`.",
    ]
    sections = (
        ("families", "Images a second", _speeds),
        ("families", "Where time and memory go", _costs),
        ("rates", "What the device reaches, in GFLOP/s", _rates),
        ("data", "Crops a second and core", _data),
        ("check", "The same mathematics", _check),
        ("ablation", "What each optimisation brings", _ablation),
        ("precision", "What bfloat16 brings", _precision),
    )
    for key, title, write in sections:
        if document.get(key):
            lines += ["", f"## {title}", "", *write(document)]
    return "\n".join([*lines, ""])


def _speeds(document: Mapping[str, Any]) -> list[str]:
    rows = [
        (
            family["title"],
            spread_text(family["reference"]["images_per_second"]),
            spread_text(family["zoo"]["images_per_second"]),
            spread_text(family["ratio"]),
            _executed(family["execution"]),
        )
        for family in document["families"].values()
    ]
    first = next(iter(document["families"].values()))
    pairs = sorted({family["repeats"] for family in document["families"].values()})
    counted = " or ".join(str(number) for number in pairs)
    return [
        f"Median (least to most) of {counted} pairs of blocks of {first['steps']} steps.",
        "",
        *as_table(("family", "plain loop", "zoo", "ratio", "zoo's execution"), rows),
    ]


def _executed(execution: Mapping[str, Any]) -> str:
    """Return in words what zoo chose for the device."""
    parts = [
        execution["precision"],
        "channels_last" if execution["channels_last"] else "NCHW",
        "compiled" if execution["compile"] else "eager",
    ]
    if execution["device"] == "cpu":
        count = execution["threads"]
        return ", ".join([*parts, f"{count} thread{'' if count == 1 else 's'}"])
    return ", ".join([*parts, f"images on the {execution['store']}"])


def _costs(document: Mapping[str, Any]) -> list[str]:
    rows = []
    for family in document["families"].values():
        for loop in ("reference", "zoo"):
            told = family[loop]
            rows.append(
                (
                    family["title"],
                    "plain loop" if loop == "reference" else "zoo",
                    f"{told['waiting_share']:.1%}",
                    _memory(told["memory"]),
                    f"{told['operations_per_second'] / GIGA:,.1f}",
                    *(f"{told['share'][of]:.0%}" for of in SHARES),
                )
            )
    heading = (
        "family", "loop", "waiting for data", "peak memory, MiB", "GFLOP/s", "of a matrix product",
        "of the best convolution", "of its own convolutions",
    )  # fmt: skip
    return as_table(heading, rows)


def _memory(memory: Mapping[str, int]) -> str:
    if "allocated" in memory:
        return f"{memory['allocated'] / MIB:,.0f}"
    return f"{memory['peak'] / MIB:,.0f} (empty process {memory['before'] / MIB:,.0f})"


def _rates(document: Mapping[str, Any]) -> list[str]:
    rates = document["rates"]
    names = list(next(iter(rates.values())))
    rows = [(name, *(f"{rates[kind][name] / GIGA:,.0f}" for kind in rates)) for name in names]
    return as_table(("", *rates), rows)


def _data(document: Mapping[str, Any]) -> list[str]:
    data = document["data"]
    rates = {name: f"{median(values):,.0f}" for name, values in data["crops_per_second"].items()}
    rows = [
        ("PNG sub-images, decoded", rates["png"], ""),
        ("patch store", rates["store"], _values(data["ratio"])),
        ("patch store, as numbers", rates["store, converted"], _values(data["ratio_converted"])),
    ]
    return [
        f"Patches of {data['lr_patch_size']} and {data['hr_patch_size']} pixels, one thread.",
        "",
        *as_table(("", "crops a second", "ratio"), rows),
    ]


def _check(document: Mapping[str, Any]) -> list[str]:
    checks = document["check"]
    rows = [
        (
            family,
            *(f"{found[kind]['most']:.1e}" for kind in ("float64", "float32", "control")),
            "yes" if found["passed"] else "no",
        )
        for family, found in checks.items()
    ]
    first = next(iter(checks.values()))
    return [
        f"Largest difference of any weight after {first['steps']} steps on the same batches.",
        "",
        *as_table(
            (
                "family",
                "float64, zoo and plain loop",
                "float32, zoo and plain loop",
                "float32, plain loop from the next weights",
                f"float64 within {first['limit']:g}",
            ),
            rows,
        ),
    ]


def _ablation(document: Mapping[str, Any]) -> list[str]:
    found = document["ablation"]
    titles = dict.fromkeys(title for ratios in found.values() for title in ratios)
    rows = [
        (
            title,
            *(spread_text(ratios[title]) if title in ratios else "" for ratios in found.values()),
        )
        for title in titles
    ]
    return [
        "Images a second with it over those without it, all else in place: median (least to most).",
        "",
        *as_table(("", *found), rows),
    ]


def _precision(document: Mapping[str, Any]) -> list[str]:
    found = document["precision"]
    if "not_measured" in found:
        return [f"Not measured: {found['not_measured']}."]
    rows = [
        (
            FAMILIES[family].title,
            *(spread_text(told[name]) for name in ("float32", "bfloat16", "ratio")),
        )
        for family, told in found.items()
    ]
    return [
        "Seconds a step, and how many times as fast bfloat16 is: median (least to most) of pairs.",
        "",
        *as_table(("family", "float32", "bfloat16", "ratio"), rows),
    ]


def _values(values: Sequence[float]) -> str:
    return f"{median(values):.0f} ({min(values):.0f} to {max(values):.0f})"
