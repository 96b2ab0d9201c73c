"""`manage.py refund`: give back what a payment has taken, or a part of it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.core.management.base import CommandError, CommandParser

from payments import money, refunds
from payments.management.choosing import find_payment
from payments.management.terminal import DRY, WHO, AnsweringCommand, add_acting, add_json, read_price, wants_to_act
from payments.models import Payment


class Command(AnsweringCommand):
    """A dry run unless `--yes`."""

    help = "Give back what a payment has taken, or a part of it. A dry run unless --yes."
    examples = """
manage.py refund sub_1
manage.py refund pi_3Q… --amount 12.50 --reason "paid twice elsewhere" --yes
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """Which payment, how much, and why."""
        parser.add_argument("payment", help="its id, its subscription, or pi_…")
        parser.add_argument("--amount", type=read_price, help="as people write it, 12.50; else all that is left")
        add_acting(parser)
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """One line; exit code 1 with the reason where it can't be done."""
        acts = wants_to_act(options)
        payment = find_payment(options["payment"])
        amount = None if options["amount"] is None else _minor(options["amount"], payment)
        if not acts:
            self._say_what_would_be(payment, amount, options)
            return
        asked = refunds.request(
            payment_id=payment.id, amount=amount, who=WHO, reason=options["reason"], now=datetime.now(UTC)
        )
        if isinstance(asked, refunds.NotRefundable):
            raise CommandError(f"nothing of {payment.id} is refunded: {asked.text}")
        given = money.for_people(asked.amount, currency=payment.currency)
        self.answer(
            options, document=_document(payment, asked.amount) | {"acted": True, "refund": asked.id},
            lines=[f"{given} of {payment.id} go back: refund {asked.id}. How it ends: manage.py explain {payment.id}"],
        )  # fmt: skip

    def _say_what_would_be(self, payment: Payment, amount: int | None, options: dict[str, Any]) -> None:
        left = refunds.left_to_refund(payment)
        refusal = refunds.find_refusal(payment, amount=amount, left=left)
        if refusal:
            raise CommandError(f"nothing of {payment.id} can be refunded: {refusal.text}")
        back = left if amount is None else amount
        given, taken = (money.for_people(minor, currency=payment.currency) for minor in (back, payment.amount))
        line = f"{given} of {payment.id} ({payment.subscription_id}, {taken}) would go back."
        self.answer(options, document=_document(payment, back) | {"acted": False}, lines=[line, DRY])


def _document(payment: Payment, amount: int) -> dict[str, Any]:
    """The amount in major units."""
    price = money.to_price(amount, currency=payment.currency, unit="major")
    return {"payment": payment.id, "amount": str(price), "currency": payment.currency}


def _minor(price: Decimal, payment: Payment) -> int:
    """In minor units; staff write major units, whatever the events come in."""
    try:
        return money.to_minor(price, currency=payment.currency, unit="major")
    except money.PriceInvalid as invalid:
        raise CommandError(f"--amount {invalid}") from None
