"""CSV that is safe to open: text that a spreadsheet would take for a formula stays text, and numbers stay numbers."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

# UTF-8 without it is taken for the machine's own encoding by Excel.
BYTE_ORDER_MARK = "\ufeff"

# What makes a formula of a cell in one spreadsheet or another; the last four are the wide forms of the first.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")


def as_cell(value: Any) -> str:
    """As text: times in UTC by ISO 8601, and nothing that a spreadsheet would carry out."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, Decimal):
        # Of our own making: one below zero must be added up with the others.
        return f"{value:f}"
    text = str(value)
    return f"'{text}" if text.lstrip(" \N{NO-BREAK SPACE}").startswith(FORMULA) else text


def as_lines(rows: Iterable[Sequence[Any]]) -> str:
    """Lines of a file, each cell made safe."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([as_cell(value) for value in row] for row in rows)
    return text.getvalue()
