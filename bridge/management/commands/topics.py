"""`manage.py topics`: makes the topics that are missing, or looks at what there is."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser

from bridge.kafka import KafkaAway, KafkaRefuses, check, make_topics
from payments.management.terminal import PARTLY, AnsweringCommand, add_json


class Command(AnsweringCommand):
    """Safe to run again: topics that are there are left as they are."""

    help = "Make the topics that are missing; those that are there are left as they are. --check: only look at them."
    examples = """
manage.py topics --partitions 8 --replication 3
manage.py topics --partitions 8 --replication 3 --dry-run
manage.py topics --check
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """How the topics that are missing are made."""
        either = parser.add_mutually_exclusive_group()
        either.add_argument("--check", action="store_true", help="make nothing; say what is wrong with Kafka for us")
        either.add_argument("--dry-run", action="store_true", help="make nothing; say what would be made")
        parser.add_argument("--partitions", type=int, default=8)
        parser.add_argument("--replication", type=int, default=-1, help="-1: the broker's default")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """One line per topic or finding; exit code 1 where Kafka is away or refuses, 3 for findings that stop us."""
        try:
            if options["check"]:
                self._check(options)
            else:
                self._make(options)
        except (KafkaAway, KafkaRefuses) as error:
            raise CommandError(str(error)) from None

    def _make(self, options: dict[str, Any]) -> None:
        made = make_topics(
            partitions=options["partitions"], replication=options["replication"], dry_run=options["dry_run"]
        )
        lines = [f"{name}: {what}" for name, what in made.items()]
        self.answer(options, document={"topics": made, "acted": not options["dry_run"]}, lines=lines)

    def _check(self, options: dict[str, Any]) -> None:
        found = check(processes=frozenset({"bridge", "relay"}), now=datetime.now(UTC))
        stopping = sum(finding.level in ("error", "missing") for finding in found)
        self.answer(
            options, document={"findings": [{"level": one.level, "line": one.line} for one in found]},
            lines=[f"{one.level}: {one.line}" for one in found] or ["nothing is wrong"],
        )  # fmt: skip
        if stopping:
            raise CommandError(f"{stopping} of them stop the bridge or the relay", returncode=PARTLY)
