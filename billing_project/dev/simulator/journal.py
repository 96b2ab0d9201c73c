"""The simulator's memory over restarts: one JSON line per changed record, the last one counts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, TextIO

from . import cards, records
from .idempotency import Stored

# The name of the class stands beside its fields.
TAG = "$"
CLASSES: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        cards.Success,
        cards.Decline,
        cards.Authentication,
        cards.Processing,
        cards.Card,
        records.Customer,
        records.PaymentMethod,
        records.PaymentIntent,
        records.Charge,
        records.Refund,
        records.Dispute,
        records.BalanceTransaction,
        records.Event,
        Stored,
    )
}


class Journal:
    """An append-only file. `write` buffers and `flush` hands over to the system; no fsync, it is a toy."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def read(self) -> Iterator[Any]:
        """Yield the records in the order they were written; a torn last line ends the reading."""
        if not self._path.exists():
            return
        with self._path.open(encoding="utf-8") as lines:
            for line in lines:
                if not line.endswith("\n"):
                    return
                yield json.loads(line, object_hook=_revive)

    def open(self) -> None:
        """Start appending, after whatever `read` accepts."""
        if self._path.exists():
            kept = self._path.read_bytes()
            with self._path.open("r+b") as file:
                file.truncate(kept.rfind(b"\n") + 1)
        self._file = self._path.open("a", encoding="utf-8")

    def write(self, record: Any) -> None:
        """Append one record."""
        if self._file is None:
            raise RuntimeError("the journal is not open")
        self._file.write(json.dumps(record, default=_tagged, separators=(",", ":")) + "\n")

    def flush(self) -> None:
        """Hand what was written to the operating system, so that killing the process loses nothing."""
        if self._file is not None:
            self._file.flush()

    def erase(self) -> None:
        """Forget everything."""
        if self._file is not None:
            self._file.truncate(0)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _tagged(record: Any) -> dict[str, Any]:
    return {TAG: type(record).__name__} | {f.name: getattr(record, f.name) for f in fields(record)}


def _revive(value: dict[str, Any]) -> Any:
    if TAG not in value:
        return value
    kind = CLASSES[value.pop(TAG)]
    # What another version wrote and this one doesn't know is left out.
    known = {f.name for f in fields(kind)}
    return kind(**{name: one for name, one in value.items() if name in known})
