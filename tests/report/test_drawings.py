"""Plots and forest plots: to scale, without overlap, in the page's colours."""

from __future__ import annotations

import itertools
import random
import re
from pathlib import Path

import pytest

from tests.report.synthetic import RECIPES, make_record, make_records
from zoo.compare.statistics import Interval
from zoo.compare.verdicts import ClaimResult, Verdict
from zoo.records.record import Curves
from zoo.report.claims import TONES, claim_cards
from zoo.report.commands import pieces
from zoo.report.curves import training_curves
from zoo.report.figures import drawing, to_svg
from zoo.report.forest import forest
from zoo.report.labels import LETTER_WIDTH, Box, place_labels
from zoo.report.model import Page, Told
from zoo.report.palette import VARIABLES, marks
from zoo.report.perception_distortion import perception_distortion
from zoo.report.selection import select


def test_a_forest_plot_is_to_scale() -> None:
    found = forest(0.2, 0.1, 0.3, smallest_effect=0.05, unit="dB")
    assert found.band
    unit = (found.high - found.low) / 0.2
    assert found.point - found.zero == pytest.approx(0.2 * unit, abs=0.02)
    assert found.band[1] - found.zero == pytest.approx(0.05 * unit, abs=0.02)
    assert found.zero - found.band[0] == pytest.approx(0.05 * unit, abs=0.02)
    assert all(0 <= place <= 100 for place, _ in found.labels)
    assert "+0.20 dB" in found.description
    assert "+0.10 to +0.30 dB" in found.description


def test_forest_plots_that_share_a_reach_share_their_axis() -> None:
    reach = [-1.0, 2.0]
    first, second = forest(0.5, 0.4, 0.6, reach=reach), forest(-0.5, -1.0, 0.0, reach=reach)
    assert first.zero == second.zero
    assert first.labels
    assert forest(0.5, 0.4, 0.6, labelled=False).labels == ()


def test_labels_below_a_forest_plot_keep_apart() -> None:
    labels = forest(5, 4, 6, smallest_effect=0.01).labels
    assert len(labels) > 1
    assert all(abs(a[0] - b[0]) >= 15 for a, b in itertools.combinations(labels, 2))


def overlap(one: Box, other: Box) -> float:
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.top, other.top) - max(one.bottom, other.bottom)
    return max(0.0, width) * max(0.0, height)


def test_labels_lie_on_nothing_where_there_is_room() -> None:
    numbers = random.Random(0)  # noqa: S311  places of points
    points = [(numbers.uniform(60, 600), numbers.uniform(30, 400)) for _ in range(18)]
    texts = [f"esrgan-wgangp-{n}" for n in range(18)]
    within = Box(0, 0, 660, 440)
    corners = place_labels(points, texts, size=11, within=within)
    boxes = [
        Box(x, y, x + len(text) * 11 * LETTER_WIDTH, y + 11)
        for (x, y), text in zip(corners, texts, strict=True)
    ]
    assert all(overlap(box, within) == pytest.approx(overlap(box, box)) for box in boxes)
    assert all(overlap(a, b) == 0 for a, b in itertools.combinations(boxes, 2))
    dots = [Box(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    assert all(overlap(box, dot) == 0 for box in boxes for dot in dots)


def test_marks_differ_in_shape_or_colour() -> None:
    names = [f"recipe-{n}" for n in range(56)]
    found = marks([*names, "bicubic"], ["bicubic"])
    assert len({(mark.shape, mark.variable) for mark in found.values()}) == 57
    neighbours = itertools.pairwise(found[name] for name in names)
    assert all(a.shape != b.shape and a.variable != b.variable for a, b in neighbours)


def test_a_drawing_has_the_colours_of_the_page_and_texts_as_they_are() -> None:
    with drawing(200, 100) as (figure, axes):
        axes.plot([0, 1], [1, 0], color=next(c for c, v in VARIABLES.items() if "series" in v))
        axes.set_title("${7*7}$ <b>&amp;")
        svg = to_svg(figure, title="<title>", description="&", salt="a")
    assert "var(--series-0)" in svg
    assert "var(--muted)" in svg
    assert not re.search(r"#0102[0-9a-f]{2}", svg)
    assert "${7*7}$ &lt;b&gt;&amp;amp;" in svg
    assert "<title>&lt;title&gt;</title><desc>&amp;</desc>" in svg
    assert not re.search(r"http|<style|<metadata|font-family", svg)


def test_letters_without_a_glyph_are_drawn_by_the_page() -> None:
    with drawing(200, 100) as (figure, axes):
        axes.set_title("超解像 🙂")
        assert "超解像 🙂" in to_svg(figure, title="", description="", salt="b")


def test_the_plane_has_every_recipe_and_its_numbers(page: Page) -> None:
    plane = page.plane
    assert plane
    assert set(RECIPES) <= {row.name for row in plane.rows}
    assert plane.plot.narrow
    for row in plane.rows:
        assert f">{row.name}</text>" in plane.plot.wide
        assert f">{row.number}</text>" in plane.plot.narrow
    assert "esrgan-over-srgan" not in plane.plot.wide


def test_the_plane_falls_back_to_another_perceptual_score(tmp_path: Path) -> None:
    make_records(tmp_path, recipes=["bicubic", "rrdb"], seeds=1, pictures=False)
    groups = select(tmp_path).groups
    drawn = marks(list(groups))
    found = perception_distortion(groups, drawn, ["samples"], title="samples")
    assert found
    assert found.perception == "Lite1 distance"
    without = {
        name: [
            record.model_copy(
                update={
                    "datasets": tuple(
                        dataset.model_copy(
                            update={
                                "images": tuple(
                                    image.model_copy(
                                        update={
                                            "scores": {
                                                k: v
                                                for k, v in image.scores.items()
                                                if k != "lite1_distance"
                                            }
                                        }
                                    )
                                    for image in dataset.images
                                )
                            }
                        )
                        for dataset in record.datasets
                    )
                }
            )
            for record in records
        ]
        for name, records in groups.items()
    }
    other = perception_distortion(without, drawn, ["samples"], title="samples")
    assert other
    assert other.perception == "HaarPSI"
    assert (
        perception_distortion({"bicubic": groups["bicubic"]}, drawn, ["samples"], title="") is None
    )


def test_curves_have_a_line_for_each_seed_and_their_mean(page: Page) -> None:
    cards = {card.name: card for card in page.curves}
    assert "bicubic" not in cards
    assert cards["rrdb"].plot.wide.count("var(--series") == 2 * 4
    assert cards["srgan"].plot.wide.count("var(--series") == 3 * 4
    assert "2 stable and 1 critic-won" in cards["srgan"].note
    assert "PSNR-Y (dB) from" in cards["rrdb"].plot.description


def test_curves_that_are_too_short_or_not_finite_do_no_harm() -> None:
    record = make_record("srgan", 0)
    training = record.training
    assert training
    short = training.model_copy(update={"curves": Curves(steps=(0,), scores={"psnr_y": (28.0,)})})
    groups = {"srgan": [record.model_copy(update={"training": short})]}
    assert training_curves(groups, marks(["srgan"])) == ()
    curves = training.curves.model_copy(
        update={"signals": {"discriminator_total": (float("nan"), None, 1.0)}}
    )
    odd = record.model_copy(update={"training": training.model_copy(update={"curves": curves})})
    (card,) = training_curves({"srgan": [odd]}, marks(["srgan"]))
    assert "nan" not in card.plot.wide.lower()


def claim(verdict: Verdict, effect: Interval | None, **changes: object) -> ClaimResult:
    values: dict[str, object] = {
        "claim": "a-claim",
        "statement": "It raises PSNR",
        "source": "Lim 2017",
        "verdict": verdict,
        "reason": "because",
        "sentence": "It does.",
        "label": "PSNR-Y",
        "unit": "dB",
        "is_share": False,
        "effect": effect,
        "direction": "higher",
        "smallest_effect": 0.05,
        "p_value": 0.01,
        "num_seeds": 3,
        "num_images": 5,
        "per_seed": {0: 0.1, 1: 0.2},
        "seconds": 600.0,
        "notes": (),
    }
    return ClaimResult(**{**values, **changes})  # type: ignore[arg-type]


def test_a_card_says_effect_seeds_and_cost() -> None:
    effect = Interval(0.12, 0.07, 0.17, 0.95, 0.001, 3, 5)
    (card,) = claim_cards([claim("supported", effect)])
    facts = {fact.term: fact.text for fact in card.facts}
    assert (card.effect, card.interval, card.seeds) == ("+0.120 dB", "+0.070 to +0.170", 3)
    assert facts["Claimed, at least"] == "+0.050 dB or beyond"
    assert facts["Based on"] == "3 seeds, 5 images"
    assert facts["By seed"] == "0: +0.100, 1: +0.200"
    assert facts["Training"] == "10 min in all"
    assert card.forest
    assert card.forest.claimed == "higher"


def test_shares_are_percent() -> None:
    effect = Interval(-0.11, -0.11, -0.11, 0.95, None, 3, 1)
    (card,) = claim_cards(
        [claim("supported", effect, is_share=True, unit="", direction="lower", smallest_effect=0.1)]
    )
    facts = {fact.term: fact.text for fact in card.facts}
    assert (card.effect, card.interval) == ("\N{MINUS SIGN}11 %", "")
    assert facts["Claimed, at least"] == "\N{MINUS SIGN}10 % or beyond"


def test_bars_share_an_axis_of_multiples_with_the_claimed_side_on_the_right() -> None:
    large = claim("supported", Interval(1.0, 0.5, 1.5, 0.95, 0.001, 3, 5))
    lower = claim(
        "supported",
        Interval(-0.02, -0.03, -0.01, 0.95, 0.001, 3, 5),
        direction="lower",
        smallest_effect=0.01,
    )
    against = claim("contradicted", Interval(-0.1, -0.2, -0.06, 0.95, 0.001, 3, 5))
    cards = claim_cards([large, lower, against])
    bars = [card.bar for card in cards if card.bar]
    assert len({bar.zero for bar in bars}) == len({bar.band for bar in bars}) == 1
    assert bars[0].point > bars[1].point > bars[1].zero > bars[2].point
    assert all(bar.low < bar.point < bar.high for bar in bars)
    assert bars[1].description == cards[1].forest.description  # type: ignore[union-attr]


def test_seeds_on_one_side_of_an_interval_with_0_are_explained() -> None:
    open_effect = Interval(0.12, -0.07, 0.3, 0.95, 0.2, 3, 5)
    (card,) = claim_cards([claim("no effect shown", open_effect)])
    facts = {fact.term: fact.text for fact in card.facts}
    assert facts["Seeds and interval"].endswith("other seeds and other images")
    (agreed,) = claim_cards([claim("supported", Interval(0.1, 0.05, 0.2, 0.95, 0.01, 3, 5))])
    (mixed,) = claim_cards([claim("no effect shown", open_effect, per_seed={0: -0.1, 1: 0.2})])
    for other in (agreed, mixed):
        assert "Seeds and interval" not in {fact.term for fact in other.facts}


def test_a_command_is_apart_from_what_is_said() -> None:
    command = "zoo bench a b --suite s --profile p --train"
    missing = f"It does: not enough data; one seed; train more: {command} --seeds 3."
    (card,) = claim_cards([claim("not enough data", None, sentence=missing, command=command)])
    assert card.told == Told(
        "It does: not enough data; one seed; train more.", f"{command} --seeds 3"
    )
    assert pieces(card.told.command) == [
        *("zoo", "bench", "a", "b"),
        *("--suite s", "--profile p", "--train", "--seeds 3"),
    ]
    assert pieces("zoo 'a") == ["zoo 'a"]


@pytest.mark.parametrize("verdict", TONES)
def test_every_verdict_has_a_tone_and_may_lack_an_effect(verdict: Verdict) -> None:
    (card,) = claim_cards([claim(verdict, None, p_value=None, num_seeds=0, seconds=0.0)])
    assert card.tone == TONES[verdict]
    assert card.forest is None
    (open_card,) = claim_cards([claim(verdict, Interval(0.1, None, None, 0.95, None, 1, 5))])
    assert open_card.forest is None


def test_a_factorial_shows_main_effects_and_interactions(page: Page) -> None:
    (view,) = page.factorials
    table = view.tables[0]
    assert table.metric == "PSNR-Y (dB)"
    assert sum(not effect.is_interaction for effect in table.effects) == 4
    assert sum(effect.is_interaction for effect in table.effects) == 6
    zeros = {effect.forest.zero for effect in table.effects}
    assert len(zeros) == 1
