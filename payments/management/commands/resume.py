"""`manage.py resume`: charge again."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand

from payments import charging
from payments.models import Pause


class Command(BaseCommand):
    """What waits is due at once, oldest first, at the rate limit."""

    help = "Charge again after manage.py pause. What Stripe's refusal of the key has paused resumes by itself."

    def handle(self, *args: Any, **options: Any) -> None:
        """One line, and one for what still holds charging."""
        resumed = charging.resume(cause=Pause.Cause.STAFF, who="staff: command line", now=datetime.now(UTC))
        self.stdout.write("The pause of staff is over." if resumed else "Nobody had paused charging.")
        for pause in Pause.objects.filter(ended_at__isnull=True):
            self.stdout.write(f"Still paused since {pause.began_at:%Y-%m-%d %H:%M} UTC: {pause.reason}")
