"""Which records of a folder are the newest: those that a benchmark showed last.

The order does not depend on the clock: each record has a counter within its folder
(`Record.order`), larger than all before it. A benchmark that shows an existing record gives it a
new counter, so a report of the folder shows the same records.

Not here: the use of this order (`zoo.records.selection`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from zoo.errors import DataError
from zoo.files import write_atomically
from zoo.records.record import Record, age_of, read_record, record_bytes, record_path
from zoo.records.selection import comparable


class Order:
    """Gives the records of one suite in a folder their places.

    Args:
        root: folder of records.
        suite: name of the suite.
    """

    def __init__(self, root: Path, suite: str) -> None:
        self._root = root
        self._suite = suite
        self._latest: int | None = None

    def placed(self, record: Record) -> Record:
        """Return a record as the newest of the folder."""
        if self._latest is None:
            self._latest = max((one.order for one in self._there()), default=0)
        self._latest = max(self._latest + 1, time.time_ns() // 1000)
        return record.model_copy(update={"order": self._latest})

    def bring_forward(self, records: Sequence[Record]) -> list[Record]:
        """Make records the newest of the folder where it would not show them as they are.

        Args:
            records: what a benchmark found, all of them in the folder.

        Returns:
            The same records, with their places.
        """
        shown, there = (
            {record.key: record.scored for record in comparable(some)}
            for some in (records, self._there())
        )
        if all(there.get(key) == scored for key, scored in shown.items()):
            return list(records)
        moved = {}
        for record in sorted(records, key=age_of):
            moved[record.key] = self.placed(record)
            write_atomically(record_path(self._root, record), record_bytes(moved[record.key]))
        return [moved[record.key] for record in records]

    def _there(self) -> list[Record]:
        found = []
        for path in sorted((self._root / self._suite).glob("*.json")):
            try:
                found.append(read_record(path))
            except DataError:  # no command shows it; those that list records print why
                continue
        return found
