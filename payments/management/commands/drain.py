"""`manage.py drain`: stop charging, and wait until nothing is in hand, for a stop that interrupts nobody."""

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser

from payments import charging, metrics
from payments.management.terminal import (
    DONE,
    PARTLY,
    STOPPED,
    WHO,
    AnsweringCommand,
    add_json,
    read_count,
    read_reason,
)
from payments.models import Pause

# A worker that was killed keeps its payments for the two minutes of its lease.
WITHIN = 180
LOOK_EVERY = 1.0
# A claim that was being written when charging was paused is seen by the next look.
QUIET_LOOKS = 2
CUT_OFF = "charging stays paused. manage.py drain goes on waiting, manage.py resume undoes it."


class Command(AnsweringCommand):
    """A pause as `manage.py pause` makes it, and the wait for what is under way."""

    help = (
        "For a planned stop: charging takes nothing new (as manage.py pause), then wait until no payment and no refund "
        "is in hand and every outcome is told. Intake goes on; manage.py resume undoes it. "
        "Where something still is when --within is over (exit code 3), or at Ctrl-C, charging stays paused."
    )
    examples = """
manage.py drain --reason "new version"
manage.py drain --dry-run
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """Why, and for how long to wait."""
        parser.add_argument(
            "--reason", type=read_reason, default="a planned stop", help="why; shown to everyone who looks"
        )
        parser.add_argument(
            "--within", type=read_count, default=WITHIN, help=f"wait so many seconds at most ({WITHIN})"
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what is in hand; nothing is paused")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """A line whenever what is in hand has changed, then one for the end."""
        if options["dry_run"]:
            in_hand = metrics.look_in_hand(now=datetime.now(UTC))
            self._report(options, in_hand, "Nothing was changed.", code=DONE)
            return
        try:
            news = charging.pause(cause=Pause.Cause.STAFF, reason=options["reason"], who=WHO, now=datetime.now(UTC))
            if not options["json"]:
                self.stdout.write("Charging is paused." if news else "Charging was paused already.")
            in_hand = self._wait(options["within"], quiet=options["json"])
        except KeyboardInterrupt:
            raise CommandError(CUT_OFF, returncode=STOPPED) from None
        if in_hand.is_nothing:
            word = "Nothing is in hand: stop the processes. manage.py resume goes on."
        else:
            word = "Something is still in hand, and charging stays paused: run this again, or manage.py resume."
        self._report(options, in_hand, word, code=DONE if in_hand.is_nothing else PARTLY)

    def _wait(self, seconds: float, *, quiet: bool) -> metrics.InHand:
        until, looks, told = time.monotonic() + seconds, 0, None
        while True:
            in_hand = metrics.look_in_hand(now=datetime.now(UTC))
            looks = looks + 1 if in_hand.is_nothing else 0
            if looks >= QUIET_LOOKS or (not in_hand.is_nothing and time.monotonic() >= until):
                return in_hand
            if not quiet and in_hand != told:
                self.stdout.write(_line(in_hand))
                told = in_hand
            time.sleep(LOOK_EVERY)

    def _report(self, options: dict[str, Any], in_hand: metrics.InHand, word: str, *, code: int) -> None:
        lines = [_line(in_hand)]
        if in_hand.unknown:
            lines.append(f"{in_hand.unknown} outcomes are not known yet: Stripe is asked for them after resume.")
        if in_hand.jobs:
            lines.append(f"{in_hand.jobs} jobs run: a worker that is stopped ends its slice, and they go on later.")
        if in_hand.untold:
            lines.append("What is not told waits for the relay: is one active? (manage.py doctor)")
        document = asdict(in_hand) | {"drained": in_hand.is_nothing}
        self.answer(options, document=document, lines=[*lines, word], code=code)


def _line(in_hand: metrics.InHand) -> str:
    return f"In hand: {in_hand.payments} payments, {in_hand.refunds} refunds; not told yet: {in_hand.untold}."
