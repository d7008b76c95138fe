"""Tables of records: what stands in a row, what is left out, and every format of it."""

from __future__ import annotations

import csv as csv_reader
import io
import json
import re
import subprocess
import sys
from statistics import fmean
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.compare.comparisons import PROTOCOLS, compare
from zoo.compare.digits import format_interval
from zoo.compare.formats import csv, latex, markdown
from zoo.compare.seed_means import seed_interval
from zoo.compare.tables import dataframe, json_rows, summary, terminal_tables
from zoo.records.record import (
    Column,
    DatasetScores,
    ImageScores,
    Record,
    Target,
    TrainingSummary,
)
from zoo.text import drawn_width

HASH = "0" * 64
COLUMNS = {
    "psnr_y": Column(label="PSNR-Y", unit="dB", value_range=(0.0, 80.0)),
    "ssim_y": Column(label="SSIM-Y", value_range=(-1.0, 1.0)),
    "lpips": Column(
        label="LPIPS (VGG16)", higher_is_better=False, unavailable="no weights: zoo weights get"
    ),
    "hf_energy": Column(label="HF energy", unit="dB", higher_is_better=None),
    "parameters": Column(label="parameters", higher_is_better=False),
    "finite": Column(label="stayed finite"),
}


def make_record(
    name: str,
    seed: int | None = 0,
    scores: dict[str, list[float]] | None = None,
    *,
    kind: str = "run",
    profile: str | None = "demo",
    created: str = "2026-01-01",
    skipped: dict[str, str] | None = None,
    **changes: Any,
) -> Record:
    """Make a record of PSNR_Y by dataset; SSIM_Y is a hundredth of it."""
    scores = {"Set5": [28.0, 30.0]} if scores is None else scores
    datasets = [
        DatasetScores(
            name=dataset,
            images=tuple(
                ImageScores(
                    name=f"image-{number}",
                    height=8,
                    width=9,
                    hr_sha256=HASH,
                    lr_sha256=HASH,
                    scores={"psnr_y": value, "ssim_y": value / 100, "hf_energy": -1.0},
                )
                for number, value in enumerate(values)
            ),
        )
        for dataset, values in scores.items()
    ]
    datasets += [DatasetScores(name=n, skipped=reason) for n, reason in (skipped or {}).items()]
    trained = kind == "run"
    values: dict[str, Any] = {
        "key": f"{name}-{seed}-{profile}-{created}",
        "protocol": 1,
        "suite": "small-x4",
        "suite_sha256": HASH,
        "scale": 4,
        "target": Target(
            name=name,
            kind=kind,  # type: ignore[arg-type]
            recipe=name if kind in ("run", "baseline") else None,
            profile=profile if trained else None,
            seed=seed if trained else None,
        ),
        "columns": COLUMNS,
        "datasets": tuple(datasets),
        "cost": {"parameters": 1_547_000.0} if trained else {"parameters": 0.0},
        "provenance": {"created": created, "device": "cpu", "versions": {"torch": "2.11.0"}},
    }
    return Record(**(values | changes))


def baseline(name: str = "bicubic", **changes: Any) -> Record:
    return make_record(name, None, kind="baseline", **changes)


def three_seeds(name: str = "net", first: float = 29.0) -> list[Record]:
    return [
        make_record(name, seed, {"Set5": [first + seed, first + 2 + seed], "Set14": [first]})
        for seed in range(3)
    ]


def failed(name: str, seed: int, error: str = "loss is NaN at step 3") -> Record:
    return make_record(name, seed, {}, error=error, cost={})


def row_of(records: list[Record], recipe: str, dataset: str = "Set5") -> dict[str, Any]:
    (row,) = [r for r in json_rows(records) if (r["recipe"], r["dataset"]) == (recipe, dataset)]
    return row


def test_a_score_is_the_mean_of_the_seeds_means_and_its_interval_is_students() -> None:
    row = row_of(three_seeds(), "net")
    # seeds' means are 30, 31, 32: sd 1, t(0.975; 2) = 4.302653, half width 4.302653 / sqrt(3)
    assert row["psnr_y"]["mean"] == pytest.approx(31.0)
    assert row["psnr_y"]["low"] == pytest.approx(31 - 4.302653 / 3**0.5, abs=1e-6)
    assert row["psnr_y"]["high"] == pytest.approx(31 + 4.302653 / 3**0.5, abs=1e-6)
    assert (row["seeds"], row["n"], row["profile"]) == (3, 2, "demo")
    assert row["cost"] == {"parameters": 1_547_000.0}


def test_the_order_of_keys_is_the_issues() -> None:
    first = ["recipe", "profile", "suite", "dataset", "seeds", "n", "psnr_y"]
    assert list(row_of(three_seeds(), "net"))[:7] == first


def test_one_seed_and_a_baseline_have_no_interval() -> None:
    records = [baseline(), make_record("net")]
    assert row_of(records, "net")["psnr_y"] == {"mean": 29.0, "low": None, "high": None}
    assert row_of(records, "bicubic")["psnr_y"] == {"mean": 29.0, "low": None, "high": None}
    assert row_of(records, "bicubic")["seeds"] == 0
    assert row_of(records, "bicubic")["profile"] is None
    assert pd.isna(summary(records).loc[0, "psnr_y_low"])


@pytest.mark.parametrize("values", [[0.99, 0.9], [0.02, 0.1], [0.0, 1.0], [1.0, 1.0]])
def test_the_interval_of_a_bounded_score_stays_in_its_range(values: list[float]) -> None:
    free, bounded = seed_interval(values), seed_interval(values, (0.0, 1.0))
    assert bounded.mean == free.mean
    assert None not in (free.low, free.high, bounded.low, bounded.high)
    assert bounded.low == max(0.0, free.low or 0.0)
    assert bounded.high == min(1.0, free.high or 0.0)
    assert seed_interval(values, (-9.0, 9.0)).low == free.low


def test_an_interval_that_a_bound_cuts_is_written_out() -> None:
    column = Column(label="SSIM", value_range=(0.0, 1.0))
    assert format_interval(column, 0.9, 0.8, 1.0, narrow=True) == "0.9000 ±0.1000"
    assert format_interval(column, 0.95, 0.5, 1.0, narrow=True) == "0.9500 [0.5000, 1.0000]"


def test_seeds_that_agree_have_an_interval_of_no_width() -> None:
    score = seed_interval([2.0, 2.0])
    assert (score.mean, score.low, score.high) == (2.0, 2.0, 2.0)


def test_the_mean_of_a_suite_weighs_its_datasets_alike() -> None:
    row = row_of(three_seeds(), "net", "mean")
    by_seed = [fmean([30.0 + seed, 29.0]) for seed in range(3)]
    assert row["psnr_y"]["mean"] == pytest.approx(fmean(by_seed))
    assert row["psnr_y"]["low"] == pytest.approx(seed_interval(by_seed).low)
    assert row["n"] == 3


def test_a_skipped_dataset_takes_the_mean_of_the_suite_and_says_why() -> None:
    records = [
        make_record(name, 0, {"Set5": [29.0]}, skipped={"Urban100": "not below /data"})
        for name in ("one", "two")
    ]
    rows = json_rows(records)
    assert {row["dataset"] for row in rows} == {"Set5", "Urban100"}
    skipped = row_of(records, "one", "Urban100")
    assert (skipped["skipped"], skipped["n"], skipped["psnr_y"]) == ("not below /data", 0, None)
    (comparison,) = compare(records)
    assert "no mean of the suite: Urban100 was skipped: not below /data" in comparison.notes
    assert not [table for table in terminal_tables(records) if "Urban100" in table.title]


def test_given_files_that_are_not_bicubic_have_a_footnote_in_every_form() -> None:
    record = make_record("one", 0, {"Set5": [29.0], "Set14": [30.0]})
    told = "Set5: 1 of 5 LR files are not their HR images downscaled with MATLAB's bicubic"
    first, second = record.datasets
    datasets = (first.model_copy(update={"degradation": told}), second)
    records = [record.model_copy(update={"datasets": datasets})]
    (comparison,) = compare(records)
    assert comparison.notes.count(told) == 1
    assert told in terminal_tables(records)[-1].notes
    assert told in summary(records).attrs["notes"]
    assert row_of(records, "one", "Set5")["degradation"] == told
    assert "degradation" not in row_of(records, "one", "Set14")


def test_a_target_without_a_dataset_takes_the_mean_from_all() -> None:
    records = [*three_seeds(), make_record("half", 0, {"Set5": [30.0]})]
    assert "mean" not in {row["dataset"] for row in json_rows(records)}
    assert any("half has no scores on this dataset" in note for note in compare(records)[0].notes)


def test_a_dataset_that_one_seed_lacks_is_missing() -> None:
    records = [make_record("net", 0), make_record("net", 1, {"Set14": [1.0]})]
    assert row_of(records, "net")["psnr_y"] is None
    assert row_of(records, "net", "Set14")["psnr_y"] is None


def test_one_dataset_has_no_mean_beside_it() -> None:
    records = [make_record("net")]
    assert [row["dataset"] for row in json_rows(records)] == ["Set5"]
    titles = [table.title for table in terminal_tables(records)]
    assert titles == ["small-x4, profile demo, Set5: 2 images", "small-x4, profile demo, costs"]


def test_a_failed_seed_costs_itself_and_a_failed_recipe_its_row() -> None:
    records = [*three_seeds()[:2], failed("net", 2), *[failed("broken", s) for s in range(3)]]
    partly = row_of(records, "net")
    assert partly["seeds"] == 2
    assert partly["error"] == "seed 2: loss is NaN at step 3"
    assert partly["psnr_y"]["mean"] == pytest.approx(30.5)
    broken = row_of(records, "broken")
    assert broken["psnr_y"] is None
    assert broken["seeds"] == 0
    assert broken["error"].count("loss is NaN") == 3
    assert row_of(records, "net", "mean")["psnr_y"] is not None
    assert "failed" in {
        cell for table in terminal_tables(records) for r in table.rows for cell in r
    }


def test_only_failures_still_make_a_row() -> None:
    (row,) = json_rows([failed("broken", 0)])
    assert row["dataset"] is None
    assert row["error"] == "seed 0: loss is NaN at step 3"
    assert "broken" in markdown([failed("broken", 0)])


def test_a_missing_score_is_empty_with_its_reason() -> None:
    records = three_seeds()
    assert row_of(records, "net")["lpips"] is None
    notes = compare(records)[0].notes
    assert notes.count("LPIPS (VGG16) is missing: no weights: zoo weights get") == 1
    assert "zoo weights get" in markdown(records)
    set_by_latex = [line for line in latex(records).splitlines() if not line.startswith("%")]
    assert "is missing" not in "".join(set_by_latex)
    assert "% LPIPS (VGG16) is missing: no weights: zoo weights get" in latex(records).splitlines()
    assert "finite" not in row_of(records, "net")


def test_a_score_that_one_seed_lacks_is_missing() -> None:
    records = three_seeds()
    images = records[1].datasets[0].images
    bare = images[0].model_copy(update={"scores": {"psnr_y": 1.0, "hf_energy": 0.0}})
    datasets = (DatasetScores(name="Set5", images=(bare, images[1])), records[1].datasets[1])
    records[1] = records[1].model_copy(update={"datasets": datasets})
    assert row_of(records, "net")["ssim_y"] is None
    assert row_of(records, "net", "Set14")["ssim_y"] is not None
    assert row_of(records, "net", "mean")["ssim_y"] is None
    reason = "net on Set5: SSIM-Y is missing: not every image and seed has it"
    assert reason in compare(records)[0].notes


def test_the_newest_of_the_same_run_counts() -> None:
    records = [
        make_record("net", 0, {"Set5": [20.0]}, created="2026-01-02"),
        make_record("net", 0, {"Set5": [10.0]}, created="2026-01-01"),
    ]
    assert row_of(records, "net")["psnr_y"]["mean"] == 20.0


def test_another_protocol_and_other_images_are_left_out_and_said() -> None:
    records = [
        make_record("net", created="2026-02-01", protocol=2),
        make_record("old", created="2026-03-01"),
        make_record("other", created="2026-01-01", protocol=2, suite_sha256="1" * 64),
    ]
    assert {row["recipe"] for row in json_rows(records)} == {"net"}
    assert compare(records)[0].notes[:2] == (
        "excluded: 1 record of another protocol version; score again",
        "excluded: 1 record with other images of the suite; score again",
    )
    assert len(dataframe(records).attrs["notes"]) == 2


def test_scores_by_another_network_are_not_compared() -> None:
    def by(network: str) -> dict[str, Column]:
        return COLUMNS | {"ssim_y": Column(label="Distance", provenance={"sha256": network})}

    records = [
        make_record("net", created="2026-01-02", columns=by("a" * 64)),
        make_record("old", created="2026-01-01", columns=by("b" * 64)),
    ]
    assert row_of(records, "net")["ssim_y"] is not None
    assert row_of(records, "old")["ssim_y"] is None
    (comparison,) = compare(records)
    assert "Distance of old was computed with another network" in comparison.notes[0]
    assert f"Distance: sha256 {'a' * 12};" in comparison.protocol


def test_profiles_have_tables_of_their_own_and_baselines_stand_in_each() -> None:
    records = [baseline(), make_record("net"), make_record("net", profile="short")]
    assert [one.profile for one in compare(records)] == ["demo", "short"]
    for one in compare(records):
        assert [row.target for row in one.rows if row.dataset == "Set5"] == ["bicubic", "net"]
    named = [
        (row["recipe"], row["profile"]) for row in json_rows(records) if row["dataset"] == "Set5"
    ]
    assert named == [("bicubic", None), ("net", "demo"), ("net", "short")]


def test_what_was_trained_elsewhere_says_so() -> None:
    records = [make_record("net"), make_record("net", None, kind="weights")]
    external = json_rows(records)[1]
    assert (external["recipe"], external["profile"], external["seeds"]) == ("net", None, 0)
    assert terminal_tables(records)[0].rows[1][0] == "net (weights)"
    assert any("trained elsewhere" in note for note in compare(records)[0].notes)


def test_rows_follow_the_order_given_baselines_first() -> None:
    records = [make_record(name) for name in "abc"] + [baseline("zero")]
    rows = terminal_tables(records, order=["c", "a"])[0].rows
    assert [row[0] for row in rows] == ["zero", "c", "a", "b"]


def test_the_frame_of_images_is_tidy() -> None:
    records = [*three_seeds(), failed("broken", 0), baseline(skipped={"Urban100": "absent"})]
    frame = dataframe(records)
    images = frame.dropna(subset=["image"])
    assert len(images) == 3 * 3 + 2
    keys = ["suite", "dataset", "target", "profile", "seed", "image"]
    assert not images.duplicated(keys).any()
    assert frame["error"].dropna().tolist() == ["loss is NaN at step 3"]
    assert frame["skipped"].dropna().tolist() == ["absent"]
    seeds = images[(images.target == "net") & (images.dataset == "Set5")].groupby("seed").psnr_y
    assert seeds.mean().mean() == pytest.approx(row_of(records, "net")["psnr_y"]["mean"])


def test_types_do_not_depend_on_what_is_missing() -> None:
    many = [*three_seeds(), failed("broken", 0), baseline()]
    for build in (dataframe, summary):
        whole = build(many).dtypes
        for records in ([baseline()], [failed("broken", 0)], three_seeds()):
            some = build(records).dtypes
            assert some.to_dict() == {name: whole[name] for name in some.index}
    assert build([]).empty
    assert str(dataframe([]).dtypes["seed"]) == "Int64"


def test_the_best_is_bold_and_the_second_underlined() -> None:
    records = [make_record(n, 0, {"Set5": [v]}) for n, v in (("a", 28.0), ("b", 30.0), ("c", 29.0))]
    text = markdown(records)
    assert "| b | 1 | **30.00** | **0.3000** |" in text
    assert "<ins>29.00</ins>" in text
    assert "PSNR-Y (dB) ↑" in text
    source = latex(records)
    assert r"b & 1 & \textbf{30.00} & \textbf{0.3000} \\" in source
    assert r"\underline{29.00}" in source
    assert r"PSNR-Y (dB) $\uparrow$" in source


def test_every_format_carries_the_protocol() -> None:
    records = [*three_seeds(), baseline()]
    for text in (markdown(records), latex(records), csv(records)):
        assert "Protocol 1, x4" in text
        assert "torch 2.11.0" in text
    assert "Protocol 1, x4" in terminal_tables(records)[-1].notes[0]
    assert summary(records).attrs["protocol"][0].startswith("Protocol 1, x4")


def test_tables_say_at_which_size_costs_are_measured() -> None:
    records = [*three_seeds(), baseline()]
    words = "costs are those of one LR image of 128x128 pixels, measured on cpu"
    for text in (markdown(records), latex(records), csv(records)):
        assert words in text
    assert words in " ".join(terminal_tables(records)[-1].notes)


def on_random_weights(seed: int = 0) -> Record:
    components = {
        "perceptual": {"network": "vgg19", "weights": "random"},
        "critic": {"network": "vgg16", "weights": "imagenet"},
    }
    training = TrainingSummary(steps=1, seconds=1.0, verdict="stable", components=components)
    return make_record("srgan", seed, {"Set5": [28.0], "Set14": [27.0]}, training=training)


def test_rows_trained_with_random_weights_say_so_in_every_table() -> None:
    records = [on_random_weights(0), on_random_weights(1), *three_seeds()]
    (comparison,) = compare(records)
    marked = [row for row in comparison.rows if row.random_weights]
    assert [row.dataset for row in marked] == ["Set5", "Set14", "mean"]
    assert {row.label for row in marked} == {"srgan (random weights)"}
    assert {row.label for row in comparison.rows} == {"srgan (random weights)", "net"}
    note = (
        "srgan was trained with random weights in perceptual, so it is not the recipe with learned"
    )
    assert sum(note in said for said in comparison.notes) == 1
    assert not any("trained elsewhere" in said for said in comparison.notes)
    for text in (markdown(records), latex(records)):
        assert text.count("srgan (random weights)") == 4  # two datasets, the mean, the costs
    for table in terminal_tables(records):
        assert [row[0] for row in table.rows] == ["net", "srgan (random weights)"]
    frame = summary(records).set_index("target")
    assert set(frame.loc["srgan", "random_weights"]) == {"perceptual"}
    assert frame.loc["net", "random_weights"].isna().all()
    images = dataframe(records).set_index("target")
    assert set(images.loc["srgan", "random_weights"]) == {"perceptual"}
    assert row_of(records, "srgan")["random_weights"] == ["perceptual"]
    assert "random_weights" not in row_of(records, "net")
    read = pd.read_csv(io.StringIO(csv(records)))
    assert set(read[read.target == "srgan"].random_weights) == {"perceptual"}


def test_weights_from_elsewhere_may_be_random_too() -> None:
    record = on_random_weights().model_copy(update={"target": Target(name="mine", kind="weights")})
    (comparison,) = compare([record])
    assert {row.label for row in comparison.rows} == {"mine (weights, random weights)"}
    assert any("trained elsewhere" in said for said in comparison.notes)


def test_weights_are_the_same_whoever_vouches_for_them() -> None:
    def scored_with(name: str, verified: str, sha256: str = HASH) -> Record:
        given = {"network": "vgg16", "sha256": sha256, "verified": verified}
        column = COLUMNS["psnr_y"].model_copy(update={"provenance": given})
        return make_record(name, columns={**COLUMNS, "psnr_y": column})

    alike = [scored_with("a", "not verified"), scored_with("b", "the digest in its file's name")]
    assert not any("another network" in note for one in compare(alike) for note in one.notes)
    other = [scored_with("a", "not verified"), scored_with("b", "not verified", "1" * 64)]
    assert any("another network" in note for one in compare(other) for note in one.notes)


def test_the_protocol_in_words_is_the_one_that_is_computed() -> None:
    from zoo.metrics.fidelity import SSIM_SIGMA, SSIM_WINDOW
    from zoo.metrics.protocol import PROTOCOL_VERSION

    words = PROTOCOLS[PROTOCOL_VERSION]
    assert f"{SSIM_WINDOW}x{SSIM_WINDOW} Gaussian window of sigma {SSIM_SIGMA}" in words


def test_csv_is_read_back_whole() -> None:
    records = [*three_seeds(), baseline()]
    read = pd.read_csv(io.StringIO(csv(records)))
    pd.testing.assert_series_equal(read.psnr_y, summary(records).psnr_y)
    assert list(read.columns[-2:]) == ["protocol", "notes"]


def test_a_terminal_of_100_columns_shows_what_matters_most() -> None:
    labels = {"psnr_y": "PSNR-Y", "ssim_y": "SSIM-Y", "haarpsi": "HaarPSI"} | {
        key: key for key in ("lite1_distance", "ms_gmsd", "lr_psnr", "mine")
    }
    columns = {key: Column(label=label, value_range=(0.0, 1.0)) for key, label in labels.items()}
    scores = dict.fromkeys(columns, 0.5)
    records = []
    for record in [*three_seeds("a-recipe-of-24-characters")]:
        datasets = [
            dataset.model_copy(
                update={
                    "images": tuple(i.model_copy(update={"scores": scores}) for i in dataset.images)
                }
            )
            for dataset in record.datasets
        ]
        records.append(record.model_copy(update={"datasets": tuple(datasets), "columns": columns}))
    wide, narrow = terminal_tables(records), terminal_tables(records, width=100)
    assert [name.removesuffix(" ↑") for name in wide[0].columns[2:]] == list(labels.values())
    assert "0.5000 [0.5000, 0.5000]" in wide[0].rows[0]
    assert all(drawn_width(table) <= 100 for table in narrow)
    assert narrow[0].columns[2:4] == ("PSNR-Y ↑", "SSIM-Y ↑")
    assert "0.5000 ±0.0000" in narrow[0].rows[0]
    assert re.fullmatch(
        r"not shown: .*mine; --json and --csv have all columns", narrow[-1].notes[-1]
    )


@settings(deadline=None, max_examples=8)
@given(st.permutations([*three_seeds(), *three_seeds("b", 25.0), baseline(), failed("c", 1)]))
def test_the_order_of_records_does_not_matter(records: list[Record]) -> None:
    expected = [*three_seeds(), *three_seeds("b", 25.0), baseline(), failed("c", 1)]
    assert json_rows(records) == json_rows(expected)
    for write in (markdown, latex, csv, terminal_tables):
        assert write(records) == write(expected)
    pd.testing.assert_frame_equal(dataframe(records), dataframe(expected))


HOSTILE = [
    "a|b",
    "a\nb",
    "<script>alert(1)</script>",
    "\x1b[31mred\x1b[0m",
    r"\input{/etc/passwd}",
    "50%_of $x^2$ & {more} #1 ~",
    "`code` **bold** [link](http://x)",
    "=HYPERLINK(1)",
    "\u202eright to left",
    "[x]",
]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_hostile_names_are_inert(name: str) -> None:
    seeds = [make_record(name, seed, error=name if seed else None) for seed in range(2)]
    records = [*seeds, make_record(name, None, {name: [1.0]}, kind="weights"), baseline()]

    tables = markdown(records)
    lines = [line for line in tables.splitlines() if line.startswith("|")]
    blocks = [len(re.findall(r"(?<!\\)\|", line)) for line in lines]
    assert set(blocks) == {5, 3}  # borders: four columns of scores, two of costs
    assert not re.search(r"<(?!/?ins>)|(?<!\\)[`\[]", tables.replace("<ins>", ""))

    source = latex(records)
    body = "\n".join(line for line in source.splitlines() if line.endswith(r"\\"))
    bare = re.sub(r"\\(text\w+|char34|uparrow|downarrow|underline|pm|\\|[_%&#{}$])", "", source)
    assert bare.count("{") == bare.count("}")
    assert r"\input" not in source
    assert not re.search(r"^\s*[\[*]", body, re.MULTILINE)
    assert "%" not in re.sub(r"\\%|^% (needs|LPIPS)[^%]*$", "", source, flags=re.MULTILINE)

    rows = list(csv_reader.reader(io.StringIO(csv(records))))
    assert len({len(row) for row in rows}) == 1
    assert not any(cell.startswith(("=", "@", "+")) for row in rows for cell in row)

    shown = [t for table in terminal_tables(records) for row in table.rows for t in row]
    shown += [text for table in terminal_tables(records) for text in (table.title, *table.notes)]
    for text in (tables, source, csv(records), "".join(shown)):
        assert not set(text) & set("\x1b\u202e\r")
    assert not any("\n" in text for text in shown)

    rows_again = json.loads(json.dumps(json_rows(records), allow_nan=False))
    assert name in {row["recipe"] for row in rows_again}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_json_has_no_value_that_is_not_finite(value: float) -> None:
    records = [make_record("net", seed, {"Set5": [value, 1.0]}) for seed in range(2)]
    text = json.dumps(json_rows(records), allow_nan=False)
    assert json.loads(text)[0]["psnr_y"] == {"mean": None, "low": None, "high": None}
    assert markdown(records)


def test_no_records_make_no_tables() -> None:
    assert json_rows([]) == []
    assert terminal_tables([]) == []
    assert markdown([]) == latex([]) == ""
    assert csv([]).count("\n") == 1


def test_tables_import_no_torch() -> None:
    script = "import sys, zoo.compare.formats; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
