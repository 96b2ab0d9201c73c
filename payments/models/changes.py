"""Rows of one table in one statement: of those that were read under their locks what has changed, and new ones."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection, models


def values_of(row: models.Model) -> dict[str, Any]:
    """Its columns and what they hold; taken when it was read, it says later what has changed. A JSON value has to be
    replaced for that: what is changed inside of it isn't seen."""
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def save_changes(rows: Iterable[tuple[models.Model, Mapping[str, Any]]]) -> None:
    """Write what differs from what each held when it was read: a payment has forty columns, of which a settlement
    touches five. Rows that have changed in the same columns are written by one statement."""
    alike: defaultdict[tuple[type[models.Model], tuple[str, ...]], list[models.Model]] = defaultdict(list)
    for row, read in rows:
        changed = tuple(name for name, value in values_of(row).items() if value != read[name])
        if changed:
            alike[type(row), changed].append(row)
    for (model, columns), changed_rows in alike.items():
        _update(model, columns, changed_rows)


def save_new(rows: Sequence[models.Model]) -> None:
    """Insert rows of one model in their order, and give them the ids that the database draws in it. `bulk_create` costs
    twice that, as it compiles an expression for each value."""
    if not rows:
        return
    meta = rows[0]._meta
    fields = [field for field in meta.concrete_fields if not (field.primary_key or field.has_db_default())]
    arrays, values = _unnested(fields, rows)
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    sql = f"INSERT INTO {quote(meta.db_table)} ({columns}) SELECT * FROM unnest({arrays})"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} RETURNING {quote(str(meta.pk.column))}", values)
        for row, [drawn] in zip(rows, cursor.fetchall(), strict=True):
            row.pk, row._state.adding = drawn, False


def _unnested(fields: Sequence["models.Field[Any, Any]"], rows: Sequence[models.Model]) -> tuple[str, list[list[Any]]]:
    """What `unnest` makes rows of: an array for each column, as SQL and as parameters."""
    values = [[field.get_db_prep_save(getattr(row, field.attname), connection) for row in rows] for field in fields]
    return ", ".join(f"%s::{field.db_type(connection)}[]" for field in fields), values


def _update(model: type[models.Model], names: Sequence[str], rows: Sequence[models.Model]) -> None:
    # One statement for all: Django's `bulk_update` has a CASE for each row and column, and costs more than it saves.
    quote = connection.ops.quote_name
    fields = [field for field in model._meta.concrete_fields if field.primary_key or field.attname in names]
    fields.sort(key=lambda field: not field.primary_key)
    table = quote(model._meta.db_table)
    pk, *columns = (quote(str(field.column)) for field in fields)
    sets = ", ".join(f"{column} = new.{column}" for column in columns)
    arrays, values = _unnested(fields, rows)
    named = ", ".join((pk, *columns))
    sql = f"UPDATE {table} SET {sets} FROM unnest({arrays}) AS new ({named}) WHERE {table}.{pk} = new.{pk}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
