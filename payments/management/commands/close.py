"""`manage.py close`: cancel a payment at Stripe, so that nothing more can be taken with it."""

import uuid
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from payments import charging, gateway, money
from payments.models import Payment

WHO = "staff: command line"


class Command(BaseCommand):
    """A dry run unless `--yes`."""

    help = (
        "Cancel a payment at Stripe, so that nothing more can be taken with it. "
        'A dry run unless --yes. Example: close <payment id> --reason "wrong price" --yes'
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
            what = f"{payment.id} ({payment.subscription_id}, {amount}, {payment.status})"
            self.stdout.write(f"{what} would be closed.")
            self.stdout.write("Nothing was changed. Add --yes to act.")
            return
        refusal = charging.close(
            payment_id=payment.id, who=WHO, reason=options["reason"], gateway=gateway.connect(), now=datetime.now(UTC)
        )
        if refusal:
            raise CommandError(f"{payment.id} is still open: {refusal.text}")
        self.stdout.write(f"{payment.id} is closed.")
