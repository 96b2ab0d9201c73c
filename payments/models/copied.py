"""Many new rows at once, by COPY: `bulk_create` costs several times that, as it makes an object of each row first."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection, models

# Of what is sent, in bytes; psycopg2 reads 8 kB at a time by default.
AT_ONCE = 256 * 1024


class Copy:
    """How rows of one model are written: the columns that are `given` with each row; all others hold their defaults.

    None is NULL. A column that may be NULL can't be given an empty text, which would be NULL too. JSON is given as
    text, bytes as `as_bytea` has them. Constraints and triggers hold as they do for an INSERT.
    """

    def __init__(self, model: type[models.Model], *, given: Sequence[str]) -> None:
        fields = {field.attname: field for field in model._meta.concrete_fields}
        others = [
            field for name, field in fields.items()
            if name not in given and not field.has_db_default() and not isinstance(field, models.AutoField)
        ]  # fmt: skip
        self._rest = tuple(field.get_db_prep_save(field.get_default(), connection) for field in others)
        columns = [fields[name] for name in given] + others
        quote = connection.ops.quote_name
        named = ", ".join(quote(str(field.column)) for field in columns)
        needed = ", ".join(quote(str(field.column)) for field in columns if not field.null)
        table = quote(model._meta.db_table)
        self._sql = f"COPY {table} ({named}) FROM STDIN WITH (FORMAT csv, FORCE_NOT_NULL ({needed}))"

    def write(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Write them in their order. Raises Django's errors, as any statement does."""
        text = io.StringIO()
        csv.writer(text).writerows(row + self._rest for row in rows)
        if not text.tell():
            return
        text.seek(0)
        # The driver's own cursor has no part in what Django does around a statement.
        with connection.cursor() as cursor, connection.wrap_database_errors:
            cursor.copy_expert(self._sql, text, AT_ONCE)


def as_bytea(value: bytes | None) -> str | None:
    """Bytes as PostgreSQL reads them."""
    return None if value is None else "\\x" + value.hex()
