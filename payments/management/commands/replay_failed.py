"""`manage.py replay_failed`: try failed payments again."""

from argparse import ArgumentTypeError
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console
from rich.progress import track

from payments import charging, money, tasks
from payments.management.moments import read_moment
from payments.models import Payment


class Command(BaseCommand):
    """A dry run unless `--yes`: says what would be tried again and what is refused, and why."""

    help = (
        "Try failed payments again. A dry run unless --yes. Example: replay_failed --since 2h "
        "--code insufficient_funds --limit 100 --yes"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which payments, and whether to act."""
        parser.add_argument("--since", type=read_moment, help="failed since then: 30m, 2h, 7d, or 2026-01-31T12:00")
        parser.add_argument(
            "--code", action="append", help="failed with this code, e.g. insufficient_funds; repeatable"
        )
        parser.add_argument("--limit", type=_positive, help="at most so many, oldest failure first")
        parser.add_argument("--reason", default="replay_failed", help="why; kept in each payment's history")
        parser.add_argument("--yes", action="store_true", help="act; without it nothing is changed")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prints sums by currency and refusals by reason."""
        chosen = Payment.objects.filter(status=Payment.Status.FAILED).order_by("settled_at", "id")
        if options["since"]:
            chosen = chosen.filter(settled_at__gte=options["since"])
        if options["code"]:
            chosen = chosen.filter(code__in=options["code"])
        payments = list(chosen[: options["limit"]])
        if not payments:
            self.stdout.write("No failed payment matches.")
            return
        replayed: list[Payment] = []
        refused: Counter[str] = Counter()
        for payment in track(payments, description="Replaying", console=Console(stderr=True), transient=True):
            if options["yes"]:
                refusal = self._replay(payment, reason=options["reason"])
            else:
                refusal = charging.not_replayable(payment, now=datetime.now(UTC))
            if refusal:
                refused[refusal.text] += 1
            else:
                replayed.append(payment)
        if options["yes"]:
            tasks.ring(payment_ids=[payment.id for payment in replayed], fresh=False)
        self._report(replayed, refused, acted=options["yes"])

    def _replay(self, payment: Payment, *, reason: str) -> charging.NotReplayable | None:
        return charging.replay(payment_id=payment.id, who="staff: command line", reason=reason, now=datetime.now(UTC))

    def _report(self, replayed: list[Payment], refused: Counter[str], *, acted: bool) -> None:
        sums: Counter[str] = Counter()
        for payment in replayed:
            sums[payment.currency] += payment.amount
        total = ", ".join(money.for_people(amount, currency=currency) for currency, amount in sorted(sums.items()))
        verb = "are tried again now" if acted else "would be tried again"
        self.stdout.write(f"{len(replayed)} {verb}" + (f" for {total}" if total else "") + ".")
        for text, count in refused.most_common():
            self.stdout.write(f"{count} refused: {text}.")
        if replayed and not acted:
            self.stdout.write("Nothing was changed. Add --yes to act.")


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise ArgumentTypeError("must be a whole number above 0")
    return int(text)
