"""`manage.py topics`: makes the topics that are missing."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bridge.kafka import KafkaAway, KafkaRefuses, make_topics


class Command(BaseCommand):
    """Safe to run again: topics that are there are left as they are."""

    help = "Make the topics that are missing; those that are there are left as they are."

    def add_arguments(self, parser: CommandParser) -> None:
        """How the topics that are missing are made."""
        parser.add_argument("--partitions", type=int, default=8)
        parser.add_argument("--replication", type=int, default=-1, help="-1: the broker's default")

    def handle(self, *args: Any, **options: Any) -> None:
        """One line per topic; exit code 1 where Kafka is away or refuses."""
        try:
            done = make_topics(partitions=options["partitions"], replication=options["replication"])
        except (KafkaAway, KafkaRefuses) as error:
            raise CommandError(str(error)) from None
        for name, what in done.items():
            self.stdout.write(f"{name}: {what}")
