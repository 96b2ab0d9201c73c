"""`manage.py relay`: outbox → Kafka."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bridge import relay
from bridge.kafka import KafkaRefuses
from bridge.loop import Stop, keep_running
from bridge.startup import checked


class Command(BaseCommand):
    """Runs until SIGTERM or Ctrl-C; start a second one as a hot standby."""

    help = "Outbox → Kafka. Runs until SIGTERM; a second one is a hot standby."

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit code 0 after a stop, 1 where Kafka refuses."""
        stop = Stop()
        stop.listen()
        try:
            keep_running(process="relay", session=checked(process="relay", session=relay.session), stop=stop)
        except KafkaRefuses as refusal:
            raise CommandError(str(refusal)) from None
