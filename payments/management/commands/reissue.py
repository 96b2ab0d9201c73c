"""`manage.py reissue`: make a new payment out of a closed one, for the same subscription."""

import uuid
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from payments import charging, money, tasks
from payments.models import Payment

WHO = "staff: command line"


class Command(BaseCommand):
    """A dry run unless `--yes`."""

    help = (
        "Make a new payment out of a closed one, for the same subscription. "
        'A dry run unless --yes. Example: reissue <payment id> --reason "right price agreed" --yes'
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which payment, and why."""
        parser.add_argument("payment", type=uuid.UUID, help="the payment's id")
        parser.add_argument("--reason", required=True, help="why; kept in the payment's history")
        parser.add_argument("--yes", action="store_true", help="act; without it nothing is changed")

    def handle(self, *args: Any, **options: Any) -> None:
        """One line; exit code 1 with the reason where it can't be done."""
        payment = Payment.objects.filter(id=options["payment"]).first()
        if payment is None:
            raise CommandError(f"there is no payment {options['payment']}")
        amount = money.for_people(payment.amount, currency=payment.currency)
        if not options["yes"]:
            self.stdout.write(
                f"{payment.id} ({payment.subscription_id}, {amount}, {payment.status}) would be re-issued."
            )
            self.stdout.write("Nothing was changed. Add --yes to act.")
            return
        made = charging.reissue(payment_id=payment.id, who=WHO, reason=options["reason"], now=datetime.now(UTC))
        if isinstance(made, charging.NotClosed):
            raise CommandError(f"{payment.id} is not re-issued: {made.text}")
        tasks.ring(payment_ids=[made.id])
        self.stdout.write(f"{made.id} is due now.")
