"""`manage.py resume`: charge again."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandParser

from payments import charging
from payments.management.terminal import DONE, PARTLY, WHO, AnsweringCommand, add_dry_run, add_json
from payments.models import Pause


class Command(AnsweringCommand):
    """Acts at once. What waits is due, oldest first, at the rate limit."""

    help = "Charge again after manage.py pause. What Stripe's refusal of the key has paused resumes by itself."
    examples = """
manage.py resume
manage.py resume --dry-run
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """Whether to act."""
        add_dry_run(parser)
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """One line, and one for what still holds charging: then the exit code is 3."""
        still = Pause.objects.filter(ended_at__isnull=True).order_by("began_at")
        if options["dry_run"]:
            was_paused = still.filter(cause=Pause.Cause.STAFF).exists()
            still = still.exclude(cause=Pause.Cause.STAFF)
            line = "The pause of staff would be over. Nothing was changed."
        else:
            was_paused = charging.resume(cause=Pause.Cause.STAFF, who=WHO, now=datetime.now(UTC))
            line = "The pause of staff is over."
        pauses = [{"cause": one.cause, "since": one.began_at, "reason": one.reason} for one in still]
        lines = [line if was_paused else "Nobody had paused charging."]
        lines += [f"Still paused since {one['since']:%Y-%m-%d %H:%M} UTC: {one['reason']}" for one in pauses]
        self.answer(
            options, document={"acted": was_paused and not options["dry_run"], "still_paused": pauses}, lines=lines,
            code=PARTLY if pauses else DONE,
        )  # fmt: skip
