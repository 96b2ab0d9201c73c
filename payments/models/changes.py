"""Of a row that was read under its lock, write what has changed and nothing else."""

from collections.abc import Mapping
from typing import Any

from django.db import models


def values_of(row: models.Model) -> dict[str, Any]:
    """Its columns and what they hold; taken when it was read, it says later what has changed. A JSON value has to be
    replaced for that: what is changed inside of it isn't seen."""
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def save_changes(row: models.Model, *, read: Mapping[str, Any]) -> None:
    """Write what differs from `read`: a payment has forty columns, of which a settlement touches five, and naming
    them all takes both sides several times as long. Writes nothing where nothing differs."""
    changed = [name for name, value in values_of(row).items() if value != read[name]]
    if changed:
        row.save(update_fields=changed)
