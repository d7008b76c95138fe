"""Datasets that zoo can fetch: where they are, what they weigh, whose they are, what they become.

Facts only. Fetching is in `zoo.data.download`, unpacking and placing in `zoo.data.install`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Archive:
    """One file to fetch.

    Attributes:
        url: where its publisher serves it.
        known_hash: `sha256:` or, where its publisher gives nothing better, `md5:` and digits.
        num_bytes: its size.
        folder: the folder inside it that holds the images.
        target: where that folder goes, below the data root.
        num_images: how many images it holds.
    """

    url: str
    known_hash: str
    num_bytes: int
    folder: str
    target: str
    num_images: int

    @property
    def file_name(self) -> str:
        """Name of the archive file."""
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset made of one or more archives.

    Attributes:
        name: what `zoo data get` takes.
        description: one line.
        licence: the rights, shown before anything is fetched.
        homepage: where its authors describe it.
        archives: the files.
    """

    name: str
    description: str
    licence: str
    homepage: str
    archives: tuple[Archive, ...]

    @property
    def num_bytes(self) -> int:
        """Size of all archives together."""
        return sum(archive.num_bytes for archive in self.archives)


_DIV2K_URL = "https://data.vision.ee.ethz.ch/cvl/DIV2K"

CATALOGUE: dict[str, Dataset] = {
    "div2k": Dataset(
        name="div2k",
        description="DIV2K: 800 training and 100 validation photographs of about 2K pixels",
        licence="academic research use only; the photographers keep their rights",
        homepage=f"{_DIV2K_URL}/",
        archives=(
            Archive(
                url=f"{_DIV2K_URL}/DIV2K_train_HR.zip",
                known_hash=(
                    "sha256:9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335"
                ),
                num_bytes=3_530_603_713,
                folder="DIV2K_train_HR",
                target="DIV2K_train/HR",
                num_images=800,
            ),
            Archive(
                url=f"{_DIV2K_URL}/DIV2K_valid_HR.zip",
                known_hash=(
                    "sha256:20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc"
                ),
                num_bytes=448_993_893,
                folder="DIV2K_valid_HR",
                target="DIV2K_valid/HR",
                num_images=100,
            ),
        ),
    ),
}
