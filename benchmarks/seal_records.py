"""Give records that were written before records had one a digest of themselves, and an order.

    python benchmarks/seal_records.py benchmarks/results zoo/models/shipped

Only for records that you trust as they are, such as those of a commit: zoo refuses records without
a digest, since who takes it away could change the rest. Records that have one are left alone; one
whose digest is not that of its content is named and stays as it is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from zoo.errors import DataError
from zoo.files import SEAL, write_atomically
from zoo.records.record import SCHEMA, Record, read_record, record_bytes


def seal(path: Path) -> bool:
    """Seal one record; return whether it had no digest.

    Raises:
        DataError: if it has a digest, and that is not its content's.
    """
    document = json.loads(path.read_bytes())
    if SEAL in document:
        read_record(path)
        return False
    record = Record.model_validate(document)
    created = datetime.fromisoformat(str(record.provenance["created"]))
    placed = record.model_copy(update={"order": round(created.timestamp() * 1e6)})
    write_atomically(path, record_bytes(placed))
    return True


def main(folders: Sequence[str]) -> int:
    """Seal all records below folders; return the exit status."""
    wrong = 0
    for path in sorted(file for folder in folders for file in Path(folder).rglob("*.json")):
        if f'"schema": "{SCHEMA}"' not in path.read_text(encoding="utf-8"):
            continue
        try:
            print(f"{path}: {'sealed' if seal(path) else 'has a digest'}")
        except DataError as error:
            wrong += 1
            print(error, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
