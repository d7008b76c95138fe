"""Datasets that zoo can download: source, size, rights, and installed files.

Facts only. `zoo.data.download` downloads, `zoo.data.install` unpacks and installs.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ArchiveFolder:
    """A folder of images inside an archive.

    Attributes:
        folder: the folder inside the archive.
        target: where that folder goes, below the data root.
        num_images: how many images it holds.
    """

    folder: str
    target: str
    num_images: int


@dataclass(frozen=True, slots=True)
class Archive:
    """One file to download.

    Attributes:
        url: where its publisher serves it.
        known_hash: `sha256:` or, where its publisher gives nothing better, `md5:` and digits; None
            if the publisher states no hash.
        num_bytes: its size; None if its publisher does not say, and only the hash decides.
        parts: the folders of images taken from it.
    """

    url: str
    known_hash: str | None
    num_bytes: int | None
    parts: tuple[ArchiveFolder, ...]

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
        licence: the rights, shown before anything is downloaded.
        homepage: where its authors describe it.
        archives: the files.
    """

    name: str
    description: str
    licence: str
    homepage: str
    archives: tuple[Archive, ...]

    @property
    def num_bytes(self) -> int | None:
        """Size of all archives together, None if one is not known."""
        sizes = [archive.num_bytes for archive in self.archives if archive.num_bytes is not None]
        return sum(sizes) if len(sizes) == len(self.archives) else None

    @property
    def parts(self) -> tuple[ArchiveFolder, ...]:
        """The folders of all archives."""
        return tuple(part for archive in self.archives for part in archive.parts)


_DIV2K_URL = "https://data.vision.ee.ethz.ch/cvl/DIV2K"
_EDSR_URL = "https://cv.snu.ac.kr/research/EDSR"

CATALOGUE: dict[str, Dataset] = {
    "div2k": Dataset(
        name="div2k",
        description="DIV2K: 800 training and 100 validation images of about 2K pixels",
        licence="academic research use only; the photographers keep their rights",
        homepage=f"{_DIV2K_URL}/",
        archives=(
            Archive(
                url=f"{_DIV2K_URL}/DIV2K_train_HR.zip",
                known_hash=(
                    "sha256:9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335"
                ),
                num_bytes=3_530_603_713,
                parts=(ArchiveFolder("DIV2K_train_HR", "DIV2K_train/HR", 800),),
            ),
            Archive(
                url=f"{_DIV2K_URL}/DIV2K_valid_HR.zip",
                known_hash=(
                    "sha256:20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc"
                ),
                num_bytes=448_993_893,
                parts=(ArchiveFolder("DIV2K_valid_HR", "DIV2K_valid/HR", 100),),
            ),
        ),
    ),
    "flickr2k": Dataset(
        name="flickr2k",
        description="Flickr2K: 2,650 training images of about 2K pixels; with DIV2K it is DF2K",
        licence="research use only; the photographers keep their rights",
        homepage="https://github.com/LimBee/NTIRE2017",
        archives=(
            Archive(
                url=f"{_EDSR_URL}/Flickr2K.tar",
                known_hash=None,
                num_bytes=None,
                parts=(ArchiveFolder("Flickr2K/Flickr2K_HR", "Flickr2K/HR", 2650),),
            ),
        ),
    ),
    # Its LR files are left out: ours are made from these images, bit for bit as MATLAB makes them.
    "benchmark": Dataset(
        name="benchmark",
        description="Set5, Set14, BSD100 and Urban100, the test images of most papers",
        licence="research use, as published by the authors of each set",
        homepage="https://github.com/sanghyun-son/EDSR-PyTorch",
        archives=(
            Archive(
                url=f"{_EDSR_URL}/benchmark.tar",
                known_hash="md5:4ace41d33c2384b97e6b320cd0afd6ba",
                num_bytes=None,
                parts=(
                    ArchiveFolder("benchmark/Set5/HR", "Set5/HR", 5),
                    ArchiveFolder("benchmark/Set14/HR", "Set14/HR", 14),
                    ArchiveFolder("benchmark/B100/HR", "BSD100/HR", 100),
                    ArchiveFolder("benchmark/Urban100/HR", "Urban100/HR", 100),
                ),
            ),
        ),
    ),
}
