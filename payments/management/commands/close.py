"""`manage.py close`: cancel a payment at Stripe, so that nothing more can be taken with it."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser

from payments import charging, gateway, money
from payments.actions import ACTIONS
from payments.management.choosing import find_payment
from payments.management.terminal import DRY, WHO, AnsweringCommand, add_acting, add_json, wants_to_act


class Command(AnsweringCommand):
    """A dry run unless `--yes`."""

    help = "Cancel a payment at Stripe, so that nothing more can be taken with it. A dry run unless --yes."
    examples = """
manage.py close sub_1
manage.py close pi_3Q… --reason "wrong price" --yes
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """Which payment, and why."""
        parser.add_argument("payment", help="its id, its subscription, or pi_…")
        add_acting(parser)
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """One line; exit code 1 with the reason where it can't be done. Once more after a Ctrl-C does no harm."""
        acts, now = wants_to_act(options), datetime.now(UTC)
        payment = find_payment(options["payment"])
        amount = money.for_people(payment.amount, currency=payment.currency)
        refusal = ACTIONS["close"].find_refusal(payment, now)
        if not refusal and acts:
            still_open = charging.close(
                payment_id=payment.id, who=WHO, reason=options["reason"], gateway=gateway.connect(), now=now
            )
            refusal = still_open.text if still_open else ""
        if refusal:
            raise CommandError(f"{payment.id} is not closed: {refusal}")
        name = f"{payment.id} ({payment.subscription_id}, {amount}, {payment.status})"
        self.answer(
            options, document={"payment": payment.id, "subscription": payment.subscription_id, "acted": acts},
            lines=[f"{payment.id} is closed."] if acts else [f"{name} would be closed.", DRY],
        )  # fmt: skip
