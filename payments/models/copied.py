"""Many new rows at once, by COPY: `bulk_create` costs several times that, as it makes an object of each row first."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import OperationalError, connection, models

# Of what is sent, in bytes: the server works on one part while the next is made.
AT_ONCE = 32 * 1024


class Copy:
    """How rows of one model are written: the columns that are `given` with each row; all others hold their defaults.

    None is NULL. JSON is given as text, bytes as `as_bytea` has them. Constraints and triggers hold as for an INSERT.
    """

    def __init__(self, model: type[models.Model], *, given: Sequence[str]) -> None:
        fields = {field.attname: field for field in model._meta.concrete_fields}
        others = [
            field for name, field in fields.items()
            if name not in given and not field.has_db_default() and not isinstance(field, models.AutoField)
        ]  # fmt: skip
        if not others:
            raise ValueError("a line's end would be a column more")
        # The same in each line, and so made once.
        self._rest = _line([field.get_db_prep_save(field.get_default(), connection) for field in others])
        columns = [fields[name] for name in given] + others
        quote = connection.ops.quote_name
        named = ", ".join(quote(str(field.column)) for field in columns)
        self._sql = f"COPY {quote(model._meta.db_table)} ({named}) FROM STDIN WITH (FORMAT csv)"

    def write(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Write them in their order. Raises Django's errors, as any statement does."""
        lines = _Lines(rows, end=f",{self._rest}\n")
        try:
            # The driver's own cursor has no part in what Django does around a statement.
            with connection.cursor() as cursor, connection.wrap_database_errors:
                cursor.copy_expert(self._sql, lines, AT_ONCE)
        except OperationalError:
            if lines.failed:
                # The driver has made the database say so, and a mistake of ours is no database that doesn't answer.
                raise lines.failed from None
            raise


class _Lines:
    """A file whose lines are made as it is read."""

    def __init__(self, rows: Iterable[Iterable[Any]], *, end: str) -> None:
        self._rows, self._end = iter(rows), end
        self.failed: BaseException | None = None

    def read(self, size: int) -> bytes:
        """About as much, in whole lines; nothing at the end. What goes wrong is kept: the driver keeps it to itself."""
        try:
            return self._read(size).encode()
        except BaseException as error:
            self.failed = error
            raise

    def _read(self, size: int) -> str:
        lines: list[str] = []
        length = 0
        for row in self._rows:
            lines.append(_line(row) + self._end)
            length += len(lines[-1])
            if length * 2 >= size:
                break
        return "".join(lines)


def as_bytea(value: bytes | None) -> str | None:
    """Bytes as PostgreSQL reads them."""
    return None if value is None else "\\x" + value.hex()


def as_array(values: Iterable[Any]) -> str:
    """Texts, times or numbers as PostgreSQL reads an array: one constant, where a list would be as many."""
    return "{" + ",".join(["NULL" if one is None else _in_array(str(one)) for one in values]) + "}"


def _in_array(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _line(row: Iterable[Any]) -> str:
    """As CSV: a text stands in quotes, whatever is in it, and NULL is nothing. Half the cost of the module `csv`."""
    return ",".join(
        ["" if one is None else '"' + one.replace('"', '""') + '"' if isinstance(one, str) else str(one) for one in row]
    )
