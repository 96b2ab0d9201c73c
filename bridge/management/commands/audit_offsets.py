"""`manage.py audit_offsets`: has each offset that the group has passed its row, or is it known why it has none?"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from bridge.audit import Audited, audit
from bridge.kafka import KafkaAway, KafkaRefuses
from payments.management.terminal import DONE, PARTLY, AnsweringCommand, add_json

# For people: what is behind is as bad as what is named.
NAMED = 10


class Command(AnsweringCommand):
    """Asks Kafka and the database, changes nothing; a bridge may run meanwhile. Exit code 3: something is missing."""

    help = (
        "Compare the group's offsets with the rows: each offset has a row, or has no record in Kafka. Changes nothing. "
        "Exit code 3: records are missing."
    )
    examples = """
manage.py audit_offsets
manage.py audit_offsets --json | jq .complete
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """For people or for scripts."""
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """A line for each partition, then one for all."""
        try:
            found = audit()
        except (KafkaAway, KafkaRefuses) as trouble:
            raise CommandError(str(trouble)) from None
        missing = sum(map(_missing, found))
        taken = sum(sum(one.verdicts.values()) for one in found)
        total = {"records": taken, "missing": missing, "complete": not missing}
        self.answer(
            options, document={"partitions": [_as_json(one) for one in found]} | total,
            lines=_lines(found, taken=taken, missing=missing), code=PARTLY if missing else DONE,
        )  # fmt: skip


def _lines(found: Sequence[Audited], *, taken: int, missing: int) -> Iterator[str]:
    yield from map(_as_text, found)
    yield f"{taken} records have rows: {f'{missing} are missing' if missing else 'complete'}."


def _as_text(one: Audited) -> str:
    place = f"{settings.KAFKA_TOPIC_PAYMENTS}[{one.partition}]"
    if one.committed is None:
        return f"{place}: the group has read nothing of it"
    parts = [f"{count} {verdict}" for verdict, count in sorted(one.verdicts.items())]
    parts += [f"{one.pruned} pruned"] * bool(one.pruned)
    parts += [f"{one.aborted} of aborted transactions"] * bool(one.aborted)
    parts += [f"{one.unused} without a record (transactions' markers, compaction)"] * bool(one.unused)
    parts += [f"{one.deleted} deleted in Kafka before they were looked at: nobody can tell"] * bool(one.deleted)
    if one.missing:
        more = f" and {len(one.missing) - NAMED} more" if len(one.missing) > NAMED else ""
        parts.append(f"{_missing(one)} MISSING at {_named(one.missing[:NAMED])}{more}")
    return f"{place} from {one.first} up to {one.committed}: {', '.join(parts) or 'nothing'}"


def _as_json(one: Audited) -> dict[str, Any]:
    return {
        "partition": one.partition, "first": one.first, "committed": one.committed, "verdicts": one.verdicts,
        "pruned": one.pruned, "aborted": one.aborted, "unused": one.unused, "deleted": one.deleted,
        "missing": one.missing,
    }  # fmt: skip


def _missing(one: Audited) -> int:
    return sum(last - first + 1 for first, last in one.missing)


def _named(spans: Sequence[tuple[int, int]]) -> str:
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)
