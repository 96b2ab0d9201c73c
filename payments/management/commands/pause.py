"""`manage.py pause`: stop charging; intake goes on."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandParser

from payments import charging
from payments.management.terminal import WHO, AnsweringCommand, add_dry_run, add_json, read_reason
from payments.models import Pause


class Command(AnsweringCommand):
    """Acts at once, as it is needed in a hurry. Takes effect within seconds; calls that are under way end."""

    help = "Stop charging until manage.py resume; intake goes on, payments stay pending, nothing is failed."
    examples = """
manage.py pause --reason "maintenance at the bank"
manage.py pause --reason "maintenance at the bank" --dry-run
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """A reason is kept and shown."""
        parser.add_argument("--reason", type=read_reason, required=True, help="why; shown to everyone who looks")
        add_dry_run(parser)
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """One line. Where it is paused already it stays so, for the reason that was given then."""
        if options["dry_run"]:
            is_new = not Pause.objects.filter(cause=Pause.Cause.STAFF, ended_at__isnull=True).exists()
        else:
            is_new = charging.pause(
                cause=Pause.Cause.STAFF, reason=options["reason"], who=WHO, now=datetime.now(UTC)
            )  # fmt: skip
        line = "Charging was paused already."
        if is_new:
            line = "Charging would be paused. Nothing was changed." if options["dry_run"] else "Charging is paused."
        document = {"acted": is_new and not options["dry_run"], "was_paused": not is_new}
        self.answer(options, document=document, lines=[line])
