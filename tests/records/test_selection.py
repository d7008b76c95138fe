"""Records with some of their scores alone."""

from __future__ import annotations

from tests.compare.test_verdicts import make_record
from zoo.compare.tables import json_rows
from zoo.records.selection import narrowed


def test_narrowed_records_have_the_metrics_asked_for_and_no_other() -> None:
    record = make_record("new", 0, [30.0, 31.0])
    scored = record.model_copy(
        update={
            "datasets": tuple(
                dataset.model_copy(
                    update={
                        "images": tuple(
                            image.model_copy(update={"scores": {**image.scores, "lpips": 0.2}})
                            for image in dataset.images
                        )
                    }
                )
                for dataset in record.datasets
            )
        }
    )
    assert narrowed([scored], ()) == [scored]
    (alone,) = narrowed([scored], ["lpips"])
    assert [image.scores for image in alone.datasets[0].images] == [{"lpips": 0.2}] * 2
    assert "psnr_y" not in alone.columns
    assert "macs" in alone.columns, "costs and measures are no metrics"
    (row,) = json_rows([alone])
    assert "psnr_y" not in row
    assert row["lpips"]["mean"] == 0.2
    assert scored.datasets[0].images[0].scores["psnr_y"] == 30.0, "the record itself is not changed"
