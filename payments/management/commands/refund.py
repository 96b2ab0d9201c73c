"""`manage.py refund`: give back what a payment has taken, or a part of it."""

import re
import uuid
from argparse import ArgumentTypeError
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from payments import money, refunds
from payments.models import Payment

WHO = "staff: command line"


class Command(BaseCommand):
    """A dry run unless `--yes`."""

    help = (
        "Give back what a payment has taken, or a part of it. A dry run unless --yes. "
        'Example: refund <payment id> --amount 12.50 --reason "paid twice elsewhere" --yes'
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which payment, how much, and why."""
        parser.add_argument("payment", type=uuid.UUID, help="the payment's id")
        parser.add_argument("--amount", type=_price, help="as people write it, 12.50; all that is left if not given")
        parser.add_argument("--reason", required=True, help="why; kept in the payment's history")
        parser.add_argument("--yes", action="store_true", help="act; without it nothing is changed")

    def handle(self, *args: Any, **options: Any) -> None:
        """One line; exit code 1 with the reason where it can't be done."""
        payment = Payment.objects.filter(id=options["payment"]).first()
        if payment is None:
            raise CommandError(f"there is no payment {options['payment']}")
        amount = None if options["amount"] is None else _minor(options["amount"], payment)
        if not options["yes"]:
            self._say_what_would_be(payment, amount)
            return
        asked = refunds.request(
            payment_id=payment.id, amount=amount, who=WHO, reason=options["reason"], now=datetime.now(UTC)
        )
        if isinstance(asked, refunds.NotRefundable):
            raise CommandError(f"nothing of {payment.id} is refunded: {asked.text}")
        given = money.for_people(asked.amount, currency=payment.currency)
        self.stdout.write(f"{given} of {payment.id} go back: refund {asked.id}. How it ends is in the admin.")

    def _say_what_would_be(self, payment: Payment, amount: int | None) -> None:
        left = refunds.left_to_refund(payment)
        refusal = refunds.find_refusal(payment, amount=amount, left=left)
        if refusal:
            raise CommandError(f"nothing of {payment.id} can be refunded: {refusal.text}")
        given, taken = (
            money.for_people(minor, currency=payment.currency)
            for minor in (left if amount is None else amount, payment.amount)
        )
        self.stdout.write(f"{given} of {payment.id} ({payment.subscription_id}, {taken}) would go back.")
        self.stdout.write("Nothing was changed. Add --yes to act.")


def _minor(price: Decimal, payment: Payment) -> int:
    """In minor units; staff write major units, whatever the events come in."""
    try:
        return money.to_minor(price, currency=payment.currency, unit="major")
    except money.PriceInvalid as invalid:
        raise CommandError(f"--amount {invalid}") from None


def _price(text: str) -> Decimal:
    if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,15})?", text):
        raise ArgumentTypeError("must be a number like 12.50")
    return Decimal(text)
