"""What runs are called: a recipe's name is its own runs'; any other says what it differs in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.compare.test_verdicts import NOISE, make_claim, make_record
from tests.report.synthetic import told_by
from zoo.compare.comparisons import compare
from zoo.compare.verdicts import ClaimResult, judge_claims
from zoo.recipes.book import Book, load_book
from zoo.recipes.claims import Contrast
from zoo.recipes.variants import run_name, specify
from zoo.records.naming import named_by
from zoo.records.record import Record, record_path
from zoo.records.selection import comparable

SIDES = ("srresnet-nobn", "srresnet")


@pytest.fixture(scope="module")
def book() -> Book:
    return load_book()


def scored(book: Book, recipe: str, seed: int, *settings: str, **changes: Any) -> Record:
    """Make the record of a run with what was set beside recipe and profile."""
    spec = specify(book, recipe, "smoke", seed=seed, settings=settings)
    record = make_record(recipe, seed, 30 + NOISE[int(recipe == SIDES[0])][seed] / 10, **changes)
    return told_by(record, spec, key=f"{run_name(spec)}{seed}")


def test_eight_runs_of_four_weights_are_four_rows_of_two_seeds(book: Book) -> None:
    weights = ("losses.vgg19.weight=1", *(f"losses.vgg19.weight={weight}" for weight in (2, 3, 4)))
    records = [scored(book, "srgan-nobn", seed, one) for one in weights for seed in (0, 1)]
    (found,) = compare(records, order=["srgan-nobn", "srresnet"])
    rows = [(row.label, row.seeds) for row in found.rows if row.dataset == found.rows[0].dataset]
    plain = run_name(specify(book, "srgan-nobn", "smoke", settings=weights[:1]))
    named = [plain, *(f"srgan-nobn losses.vgg19.weight={weight}" for weight in (2, 3, 4))]
    assert sorted(rows) == sorted((name, 2) for name in named)


def test_a_run_of_another_recipe_stands_by_its_recipe_in_the_order(book: Book) -> None:
    records = [
        scored(book, "srresnet-nobn", 0),
        scored(book, "srresnet", 0, "training.learning_rate=0.5"),
        scored(book, "srresnet", 0),
    ]
    (found,) = compare(records, order=["srresnet", "srresnet-nobn"])
    names = ["srresnet", "srresnet training.learning_rate=0.5", "srresnet-nobn"]
    assert [row.label for row in found.rows] == names
    (note,) = [note for note in found.notes if "learning_rate" in note]
    assert note.startswith("excluded from claims and factorials: ")
    assert note.endswith("because it is not srresnet under profile smoke")


def test_a_claim_is_judged_by_runs_of_its_recipes_alone(book: Book) -> None:
    """A side trained otherwise was taken for the claim's, and the report said one thing differs."""

    def judge(*records: Record) -> ClaimResult:
        claim = make_claim(contrast=Contrast(*SIDES, ("generator", "norm")))
        return judge_claims([claim], records, profile="smoke", suite="tiny")[0]

    other = [scored(book, SIDES[0], seed, "training.learning_rate=0.5") for seed in range(4)]
    reference = [scored(book, SIDES[1], seed) for seed in range(4)]
    found = judge(*other, *reference)
    assert found.verdict == "not enough data"
    assert found.reason.startswith("no record of srresnet-nobn: zoo bench srresnet-nobn srresnet")
    (note,) = found.notes
    assert "srresnet-nobn training.learning_rate=0.5 (seeds 0, 1, 2, 3), because it is not" in note
    own = [scored(book, SIDES[0], seed) for seed in range(4)]
    alone = judge(*own, *reference)
    beside = judge(*other, *own, *reference)
    assert beside.effect == alone.effect
    assert (beside.verdict, beside.reason) == (alone.verdict, alone.reason)


def test_records_are_named_by_the_recipes_of_now(book: Book) -> None:
    record = scored(book, "srresnet", 0)
    assert named_by(book, [record]) == [record]
    spec = {**record.target.spec}
    spec["settings"] = {**spec["settings"]}
    spec["settings"]["training"] = {**spec["settings"]["training"], "learning_rate": 0.5}
    before = record.target.model_copy(update={"spec": spec})  # scored, then the recipe was edited
    (found,) = named_by(book, [record.model_copy(update={"target": before})])
    assert found.target.name == "srresnet training.learning_rate=0.5"
    assert found.target.variant == ("training.learning_rate=0.5",)


def test_older_records_are_named_by_their_command_and_generator(book: Book) -> None:
    def older(**changes: Any) -> str:
        record = scored(book, "srresnet", 0)
        generator = record.target.spec["settings"]["generator"] | changes.pop("generator", {})
        update = {"spec": {}, "name": "srresnet", "generator": generator, **changes}
        target = record.target.model_copy(update=update)
        return named_by(book, [record.model_copy(update={"target": target})])[0].target.name

    words = "zoo train srresnet --profile smoke --seed 0"
    assert older(command=words) == "srresnet"
    assert older(command=f"{words} --set training.steps=5") == "srresnet training.steps=5"
    assert older(command=f"{words} --data photos") == "srresnet data.source=photos"
    assert older(command=words, generator={"width": 99}) == "srresnet generator.width=99"
    assert older(command=words, generator={"of-then": 1}) == "srresnet", "nothing to compare with"


def test_what_is_set_beside_a_budget_is_said_and_what_is_not_is_left_out(book: Book) -> None:
    def trained(seed: int, steps: int, images: str = "a", *, told: bool = True) -> Record:
        training = {"budget": {"content steps": str(steps), "images": images, "device": "cpu"}}
        settings = [f"training.steps={steps}"] if told and steps != 12 else []
        return scored(book, "srresnet", seed, *settings, training=training)

    found = comparable([trained(0, 12), trained(0, 50)])
    kept, notes = list(found.records), found.notes
    assert len(kept) == 2, "the name says it"
    assert notes["tiny"] == []
    found = comparable([trained(0, 12), trained(1, 50, told=False)])
    kept, notes = list(found.records), found.notes
    assert len(kept) == 1
    assert "content steps" in notes["tiny"][0]
    found = comparable([trained(0, 12), trained(0, 12, "b")])
    kept, notes = list(found.records), found.notes
    assert len(kept) == 1, "one name is one making"
    assert "images" in notes["tiny"][0]


@pytest.mark.parametrize("key", ["sha256", "plugin_sha256", "weights"])
def test_runs_of_one_name_by_other_networks_are_not_one_row(key: str, book: Book) -> None:
    def trained(seed: int, value: str, created: str) -> Record:
        training = {"components": {"vgg19": {key: value}}}
        return scored(book, "srgan", seed, training=training, provenance={"created": created})

    found = comparable([trained(0, "old", "2026-01-01"), trained(1, "new", "2026-01-02")])
    kept, notes = list(found.records), found.notes
    assert [record.target.seed for record in kept] == [1]
    assert notes["tiny"] == [
        (
            "excluded: srgan seed 0, which differs from the newest run of that name: "
            f'vgg19 {key} "new" -> "old"'
        )
    ]


def test_failures_of_two_variants_have_a_file_each(book: Book, tmp_path: Path) -> None:
    settings = ("data.source=a/b", "data.source=a-b")
    failed = [scored(book, "srresnet", 0, one, error="lost") for one in settings]
    assert len({record_path(tmp_path, one) for one in failed}) == 2


@pytest.mark.parametrize("spec", [{"recipe": 1}, {"pretraining": "x"}, {"settings": []}])
def test_an_odd_record_costs_no_other(spec: dict[str, Any], book: Book) -> None:
    record = scored(book, "srresnet", 0)
    update = {"spec": spec, "command": "zoo train 'srresnet"}
    odd = record.model_copy(update={"target": record.target.model_copy(update=update)})
    assert named_by(book, [odd]) == [odd]
    (found,) = compare([odd, scored(book, "srresnet-nobn", 0)])
    assert {row.label for row in found.rows} == {"srresnet", "srresnet-nobn"}
