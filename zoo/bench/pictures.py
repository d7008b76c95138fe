"""Images kept for the report: the gallery images of a suite, as they were scored."""

from __future__ import annotations

import shutil
from pathlib import Path

from torch import Tensor

from zoo.bench.suites import Suite
from zoo.data.images import write_png
from zoo.files import file_sha256, fitting_name
from zoo.metrics.protocol import quantize
from zoo.records.record import Record, RecordedImage, record_path


class PictureKeeper:
    """Writes a candidate's gallery images beside its record.

    Args:
        suite: names the gallery images.
        record: where the record will lie; the images go into a folder of its name.
    """

    def __init__(self, suite: Suite, record: Path) -> None:
        self.kept: list[RecordedImage] = []
        self._wanted = {(entry.dataset, entry.image) for entry in suite.gallery}
        self._record = record

    def keep(self, dataset: str, image: str, sr_image: Tensor) -> None:
        """Write one image, `(C, H, W)` around [0, 1], where the gallery wants it."""
        if (dataset, image) not in self._wanted:
            return
        folder = self._record.with_suffix("")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / fitting_name(f"{dataset}-{image}", ".png")
        pixels = quantize(sr_image).permute(1, 2, 0).cpu().numpy()
        write_png(path, pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
        file = str(path.relative_to(self._record.parent))
        self.kept.append(
            RecordedImage(dataset=dataset, image=image, file=file, sha256=file_sha256(path))
        )

    def move_to(self, records: Path, record: Record) -> tuple[RecordedImage, ...]:
        """Move the images beside a record whose key was not known before, and return them."""
        old, self._record = self._record.with_suffix(""), record_path(records, record)
        new = self._record.with_suffix("")
        if not self.kept or new == old:
            return tuple(self.kept)
        shutil.rmtree(new, ignore_errors=True)  # the same scores, so the same pictures
        old.rename(new)
        self.kept = [
            picture.model_copy(update={"file": f"{new.name}/{Path(picture.file).name}"})
            for picture in self.kept
        ]
        return tuple(self.kept)
