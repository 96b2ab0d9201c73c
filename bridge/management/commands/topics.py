"""`manage.py topics`: makes the topics that are missing, or looks at what there is."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bridge.kafka import KafkaAway, KafkaRefuses, check, make_topics


class Command(BaseCommand):
    """Safe to run again: topics that are there are left as they are."""

    help = "Make the topics that are missing; those that are there are left as they are. --check: only look at them."

    def add_arguments(self, parser: CommandParser) -> None:
        """How the topics that are missing are made."""
        parser.add_argument("--check", action="store_true", help="make nothing; say what is wrong with Kafka for us")
        parser.add_argument("--partitions", type=int, default=8)
        parser.add_argument("--replication", type=int, default=-1, help="-1: the broker's default")

    def handle(self, *args: Any, **options: Any) -> None:
        """One line per topic or finding; exit code 1 where Kafka is away or refuses, and for findings that stop us."""
        try:
            if options["check"]:
                self._check()
            else:
                self._make(partitions=options["partitions"], replication=options["replication"])
        except (KafkaAway, KafkaRefuses) as error:
            raise CommandError(str(error)) from None

    def _make(self, *, partitions: int, replication: int) -> None:
        for name, what in make_topics(partitions=partitions, replication=replication).items():
            self.stdout.write(f"{name}: {what}")

    def _check(self) -> None:
        found = check(processes=frozenset({"bridge", "relay"}), now=datetime.now(UTC))
        for finding in found:
            self.stdout.write(f"{finding.level}: {finding.line}")
        stopping = sum(finding.level in ("error", "missing") for finding in found)
        if stopping:
            raise CommandError(f"{stopping} of them stop the bridge or the relay")
        if not found:
            self.stdout.write("nothing is wrong")
