"""`manage.py bridge`: Kafka → inbox and payments, then commits offsets, then rings Celery."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bridge.consumer import Bridge
from bridge.kafka import KafkaRefuses
from bridge.loop import Stop, keep_running
from bridge.startup import checked


class Command(BaseCommand):
    """Runs until SIGTERM or Ctrl-C; the batch in hand is written and committed first."""

    help = "Kafka → inbox and payments, then commits offsets, then rings Celery. Runs until SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where a group that has no offsets yet begins."""
        parser.add_argument(
            "--from", dest="start_from", choices=["earliest", "latest"],
            help="where a consumer group without offsets starts; 'earliest' charges whatever is in the topic",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit code 0 after a stop, 1 where Kafka refuses."""
        stop = Stop()
        stop.listen()
        try:
            bridge = Bridge(start_from=options["start_from"])
            keep_running(process="bridge", session=checked(process="bridge", session=bridge.session), stop=stop)
        except KafkaRefuses as refusal:
            raise CommandError(str(refusal)) from None
