"""Model cards: what is in them, where it comes from, and what hostile values cannot do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from tests.exchange.made_up import (
    IDENTITY,
    WEIGHTS,
    digest,
    make_baseline,
    make_details,
    make_model,
    make_record,
    make_training,
)
from zoo.errors import DataError
from zoo.exchange.cards import card
from zoo.exchange.front_matter import hub_licence
from zoo.exchange.records import WEIGHTS_SHA256, evidence
from zoo.exchange.usage import shown_command
from zoo.models.details import Details
from zoo.models.file import write_model
from zoo.models.model import Model

HOSTILE = 'x"\n---\nlicense: mit\n<script>alert(1)</script> [a](javascript:b) | `c` {{ 7 * 7 }}'


def head_of(text: str) -> dict[str, Any]:
    found = re.match(r"---\n(.*?\n)---\n", text, re.DOTALL)
    assert found is not None
    loaded = yaml.safe_load(found[1])
    assert isinstance(loaded, dict)
    return loaded


def row(text: str, first: str) -> list[str]:
    """Return the cells of the table row whose first cell this is."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_the_head_is_what_the_hub_reads() -> None:
    text = card(make_model(), [make_record(), make_baseline()])
    head = head_of(text)
    assert head["library_name"] == "zoo"
    assert head["pipeline_tag"] == "image-to-image"
    assert head["license"] == "apache-2.0"
    assert head["datasets"] == ["BSDS400"]
    assert {"super-resolution", "x4", "srresnet"} <= set(head["tags"])
    results = ModelCard(text).data.eval_results
    assert [(one.dataset_type, one.metric_type, one.metric_value) for one in results] == [
        ("Set5", "psnr_y", 31.0),
        ("Set5", "ms_gmsd", 0.031),
    ]


def test_the_table_has_means_and_the_baseline_of_the_same_pixels() -> None:
    other = make_baseline(psnr=(10.0, 10.0), pixels="other images")
    text = card(make_model(), [make_record(), make_baseline(), other])
    assert row(text, "small-net") == ["**31.00**", "0.0310"]
    assert row(text, "bicubic") == ["28.50", "**0.0285**"]
    assert "**Set5: 2 images**" in text
    assert "Protocol 1, x4; images rounded to 8 bits" in text
    assert "One training, seed 3, so there is no interval over seeds" in text


def test_a_model_known_by_another_name_is_not_said_to_be_another_recipes_run() -> None:
    record = make_record(recipe="srresnet-nobn", profile="tiny")
    text = card(make_model(), [record, make_baseline()])
    assert row(text, "small-net")[0] == "**31.00**"
    assert "excluded from claims" not in text


def test_a_mean_of_datasets_is_said_to_be_one() -> None:
    record, other = make_record(), make_record(psnr=(20.0, 20.0, 20.0))
    second = other.datasets[0].model_copy(update={"name": "Set14"})
    record = record.model_copy(update={"datasets": (*record.datasets, second)})
    text = card(make_model(), [record])
    assert "**Set5: 2 images**" in text
    assert "**Set14: 3 images**" in text
    mean = text.partition("**mean of the 2 datasets**")[2]
    assert row(mean, "small-net")[0] == "25.50"  # of 31 and 20, not of five images


@pytest.mark.parametrize(
    "record",
    [
        make_record(weights_sha256=digest("other"), identity_sha256=digest("another")),
        make_record(weights_sha256=None, identity_sha256=None),
        make_record().model_copy(update={"error": "it failed"}),
        make_baseline(name="small-net"),
    ],
    ids=["other hashes", "same name and seed", "failed", "baseline"],
)
def test_records_that_are_not_the_models_are_not_used(record: Any) -> None:
    text = card(make_model(), [record])
    assert "There is no record of this model's scores, so its quality" in text
    assert "model-index" not in head_of(text)


@pytest.mark.parametrize(
    ("details", "record", "said"),
    [
        ({}, {}, "These are the scores of this file."),
        ({"source": {WEIGHTS_SHA256: WEIGHTS}}, {}, "the weights from which this file was copied."),
        ({"source": {WEIGHTS_SHA256: WEIGHTS}, "precision": "float16"}, {}, "rounded to float16"),
        (
            {},
            {"weights_sha256": digest("a run's own file")},
            "the weights from which this file was copied.",
        ),
        (
            {"origin": "imported", "training": None, "source": {"sha256": digest("RRDB.pth")}},
            {"kind": "weights", "weights_sha256": digest("RRDB.pth")},
            "there is no interval over seeds",
        ),
    ],
    ids=["the file", "made from it", "rounded", "identity", "imported"],
)
def test_records_are_found_by_hash(
    details: dict[str, Any], record: dict[str, Any], said: str
) -> None:
    has_source = "source" in details
    model = make_model(make_details(**details), sha256=digest("new") if has_source else WEIGHTS)
    text = card(model, [make_record(**record)])
    assert row(text, "small-net")[0] == "31.00"
    assert said in text


def test_an_interpolated_models_parents_have_no_share_in_its_scores() -> None:
    source = {"a": "content", "a_sha256": WEIGHTS, "b": "gan", "b_sha256": IDENTITY, "alpha": "0.2"}
    details = make_details(origin="interpolated", training=None, source=source)
    text = card(make_model(details, sha256=digest("mixed")), [make_record()])
    assert "There is no record" in text
    assert row(text, "alpha") == ["0.2"]
    assert row(text, "a\\_sha256") == [WEIGHTS]
    assert "Whether an adversary was used in its training is unknown" in text


def test_only_the_newest_record_of_a_suite_is_shown() -> None:
    old = make_record(psnr=(1.0, 1.0), created="2026-01-01T00:00:00+00:00")
    text = card(make_model(), [make_record(), old])
    assert row(text, "small-net")[0] == "31.00"


def test_a_trained_models_card_says_how() -> None:
    model = make_model(make_details(training=make_training(adversarial=True)))
    text = card(model)
    assert "zoo train srresnet-nobn --profile tiny --seed 3 --set training.steps=120" in text
    assert row(text, "training.learning\\_rate") == ["0.0002"]
    assert row(text, "adversary.name") == ["wgan-gp"]
    assert row(text, "training images") == ["BSDS400"]
    assert row(text, "monitor's verdict") == ["stable"]
    assert digest("vgg19") in row(text, "weights of vgg19")[0]
    assert digest("pretraining") in text
    assert "it invents detail" in text
    assert "do not use it for forensic, medical" in text
    assert IDENTITY in text.partition("## Provenance")[2]


def test_a_content_trained_model_is_not_said_to_invent() -> None:
    text = card(make_model())
    assert "trained without an adversary" in text
    assert "invents" not in text
    assert "random weights, without pretraining" in text


def test_parameters_and_operations_are_counted() -> None:
    from zoo.generators.srresnet import SRResNet

    network = SRResNet(scale=4, width=4, num_blocks=1, norm="none")
    number = sum(parameter.numel() for parameter in network.parameters())
    assert f"{number:,} parameters;" in card(make_model())


def test_an_imported_model_is_not_said_to_be_ours() -> None:
    source = {"file": "RRDB_ESRGAN_x4.pth", "sha256": digest("pth"), "layout": "old ESRGAN"}
    details = make_details(origin="imported", training=None, source=source, licence=None)
    text = card(make_model(details))
    assert "zoo did not train it" in text
    assert row(text, "file") == ["RRDB\\_ESRGAN\\_x4.pth"]
    assert "license" not in head_of(text)
    assert "datasets" not in head_of(text)
    assert "unknown: no licence is recorded" in text


@pytest.mark.parametrize(
    ("licence", "head"),
    [
        ("MIT", {"license": "mit"}),
        ("my own words", {"license": "other", "license_name": "my-own-words"}),
    ],
)
def test_licences_the_hub_does_not_know_are_other(licence: str, head: dict[str, str]) -> None:
    found = head_of(card(make_model(make_details(licence=licence))))
    assert {key: value for key, value in found.items() if key.startswith("license")} == head


def test_the_folders_of_a_machine_are_not_told() -> None:
    settings = {"data": {"source": "/home/somebody/photos"}, "adversary": None}
    command = (
        "zoo train x --run-root /home/somebody/runs --plugin '/home/somebody/my nets/my_net.py' "
        "--set data.source=/home/somebody/photos --set training.steps=1"
    )
    training = make_training(data="/home/somebody/photos", settings=settings, command=command)
    plugins = {"generator srresnet": "file /home/somebody/my_net.py"}
    text = card(make_model(make_details(training=training, plugins=plugins)))
    assert "/home/somebody" not in text
    assert row(text, "training images") == ["photos, a folder of images"]
    assert "datasets" not in head_of(text)
    assert "--plugin my_net.py" in text
    assert 'plugins=["my_net.py"]' in text
    shown = (
        "zoo train x --run-root runs --plugin my_net.py --set data.source=photos "
        "--set training.steps=1"
    )
    assert shown in text.splitlines()


def test_the_folders_of_a_machine_do_not_travel_with_records() -> None:
    made = make_record(command="zoo bench /home/somebody/net.safetensors")
    command = ["/home/somebody/bin/zoo", "bench", "--records=/home/somebody/records"]
    record = made.model_copy(update={"provenance": made.provenance | {"command": command}})
    (found,) = evidence(make_model(), [record])
    assert found.provenance["command"] == ["zoo", "bench", "--records=records"]
    assert found.target.command == "zoo bench net.safetensors"
    assert found.provenance["created"] == made.provenance["created"]


def test_the_folders_of_a_machine_do_not_travel_with_what_was_set() -> None:
    variant = ('data.source="/home/somebody/my photos"', "losses.vgg19.weights=/home/w.pth", "a=1")
    spec = {"settings": {"data": {"source": "/home/somebody/my photos", "scale": 4}}}
    made = make_record()
    named = {"name": f"x {' '.join(variant)} in /home/runs", "variant": variant, "spec": spec}
    record = made.model_copy(update={"target": made.target.model_copy(update=named)})
    (found,) = evidence(make_model(), [record])
    assert "/home" not in found.model_dump_json()
    shown = 'data.source="my photos" losses.vgg19.weights=w.pth a=1'
    assert found.target.name == f"x {shown} in runs"
    assert found.target.spec["settings"]["data"] == {"source": "./my photos", "scale": 4}


def test_a_command_that_is_none_is_shown_as_it_is() -> None:
    assert shown_command("it's") == "it's"


def test_a_pretraining_says_which_command_it_is_a_part_of() -> None:
    said = "That command trains another recipe; this model is its pretraining."
    alone = make_training(recipe="rrdb", command="zoo train rrdb --profile tiny")
    stage = make_training(recipe="rrdb", command="zoo train esrgan-wgangp --profile tiny")
    assert said not in card(make_model(make_details(training=alone)))
    assert said in card(make_model(make_details(training=stage)))


def test_a_method_without_weights_has_no_card() -> None:
    details = make_details(origin="fixed", training=None, generator={"name": "bicubic"})
    with pytest.raises(DataError, match="fixed method without weights"):
        card(Model(details, {}))


def test_a_hash_is_told_once() -> None:
    source = {"file": "x.pth", "sha256": digest("pth"), WEIGHTS_SHA256: digest("before")}
    text = card(make_model(make_details(origin="imported", training=None, source=source)))
    for told in (digest("pth"), digest("before"), WEIGHTS):
        assert text.count(told) == 1
    trained = card(make_model())
    assert trained.count(IDENTITY) == trained.count(digest("pixels")) == 1


def test_a_missing_plugin_leaves_costs_unknown() -> None:
    details = make_details(
        generator={"name": "nobody-has-it"},
        plugins={"generator nobody-has-it": "package zoo-nobody 1.2"},
    )
    text = card(make_model(details))
    assert "pip install zoo-nobody==1.2" in text
    assert "Parameters and operations: unknown here." in text


@pytest.mark.parametrize("field", ["name", "summary", "licence"])
def test_hostile_values_are_only_text(field: str) -> None:
    text = card(make_model(make_details(**{field: HOSTILE})), [make_record(), make_baseline()])
    head = head_of(text)
    assert head.keys() <= {
        *("library_name", "pipeline_tag", "license", "license_name", "tags", "datasets"),
        *("metrics", "model-index"),
    }
    assert head.get("license") in ("apache-2.0", "other")
    body = text.split("\n---\n", 1)[1]
    assert "<script" not in body
    assert re.search(r"(?<!\\)\]\(javascript", body) is None
    assert r"\{\{ 7 \* 7 \}\}" in body


@pytest.mark.parametrize("field", ["command", "device", "verdict", "recipe", "data"])
def test_hostile_values_of_a_training_are_only_text(field: str) -> None:
    hostile = f"{HOSTILE}\n```\n# owned\n"
    text = card(make_model(make_details(training=make_training(**{field: hostile}))))
    assert head_of(text)["license"] == "apache-2.0"
    fence = None
    for line in text.split("\n---\n", 1)[1].splitlines():
        ticks = re.match(r"`{3,}", line)
        if ticks and fence is None:
            fence = ticks[0]
        elif fence is not None and line.strip() == fence:
            fence = None
        elif fence is None:
            assert not line.startswith("# owned")
            assert "<script" not in line
    assert fence is None


def test_a_hostile_record_is_only_text() -> None:
    record = make_record(suite="small <b>", name="srresnet-nobn")
    dataset = record.datasets[0].model_copy(update={"name": "Set5 | <img src=x>\n---\n"})
    record = record.model_copy(update={"datasets": (dataset,)})
    text = card(make_model(), [record])
    assert "<img" not in text.split("\n---\n", 1)[1]
    assert "<b>" not in text.split("\n---\n", 1)[1]
    assert head_of(text)["model-index"][0]["results"][0]["metrics"][0]["value"] == 31.0


def test_the_python_of_a_card_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model()
    write_model(tmp_path / "model.safetensors", model)
    monkeypatch.chdir(tmp_path)
    found = re.search(r"```python\n(.*?)\n```", card(model), re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)  # noqa: S102  a reader would run it
    assert tuple(names["sr_image"].shape) == (1, 3, 192, 256)


def test_a_card_is_the_same_every_time() -> None:
    records = [make_record(), make_baseline()]
    assert card(make_model(), records) == card(make_model(), list(reversed(records)))


def test_details_survive_json_as_the_card_needs_them() -> None:
    details = make_details(training=make_training(adversarial=True))
    read = Details.model_validate(json.loads(details.model_dump_json(by_alias=True)))
    assert card(make_model(read)) == card(make_model(details))


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("MIT License", "mit"),
        ("the MIT licence", "mit"),
        ("Apache 2", "apache-2.0"),
        ("Apache License, Version 2.0", "apache-2.0"),
        ("GPLv3", "gpl-3.0"),
        ("GNU General Public License v3.0", None),
        ("BSD 3-Clause", "bsd-3-clause"),
        ("CC BY-NC-SA 4.0", "cc-by-nc-sa-4.0"),
        ("Creative Commons Attribution-NonCommercial 4.0 International", "cc-by-nc-4.0"),
        ("CC0 1.0 Universal", "cc0-1.0"),
        ("cc-by-nc-sa", None),
        ("mine", None),
    ],
)
def test_a_licence_as_people_write_it_is_the_hubs(text: str, identifier: str | None) -> None:
    assert hub_licence(text) == identifier
