"""`manage.py pause`: stop charging; intake goes on."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from payments import charging
from payments.models import Pause


class Command(BaseCommand):
    """Takes effect within seconds; calls that are under way end."""

    help = "Stop charging until manage.py resume; intake goes on, payments stay pending, nothing is failed."

    def add_arguments(self, parser: CommandParser) -> None:
        """A reason is kept and shown."""
        parser.add_argument("--reason", required=True, help="why; shown to everyone who looks")

    def handle(self, *args: Any, **options: Any) -> None:
        """One line."""
        paused = charging.pause(
            cause=Pause.Cause.STAFF, reason=options["reason"], who="staff: command line", now=datetime.now(UTC)
        )
        self.stdout.write("Charging is paused." if paused else "Charging was paused already.")
