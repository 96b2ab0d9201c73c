"""`manage.py reissue`: make a new payment out of a closed one, for the same subscription."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser

from payments import charging, money, tasks
from payments.actions import ACTIONS
from payments.management.choosing import find_payment
from payments.management.terminal import DRY, WHO, AnsweringCommand, add_acting, add_json, wants_to_act


class Command(AnsweringCommand):
    """A dry run unless `--yes`."""

    help = "Make a new payment out of a closed one, for the same subscription. A dry run unless --yes."
    examples = """
manage.py reissue sub_1
manage.py reissue 8699c93f-449a-5886-8af7-adf7a9d2948b --reason "right price agreed" --yes
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """Which payment, and why."""
        parser.add_argument("payment", help="the closed one's id, its subscription, or pi_…")
        add_acting(parser)
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """One line; exit code 1 with the reason where it can't be done."""
        acts, now = wants_to_act(options), datetime.now(UTC)
        payment = find_payment(options["payment"])
        document: dict[str, Any] = {"payment": payment.id, "subscription": payment.subscription_id, "acted": acts}
        refusal = ACTIONS["reissue"].find_refusal(payment, now)
        if refusal:
            raise CommandError(f"{payment.id} is not re-issued: {refusal}")
        if not acts:
            amount = money.for_people(payment.amount, currency=payment.currency)
            name = f"{payment.id} ({payment.subscription_id}, {amount}, {payment.status})"
            self.answer(options, document=document, lines=[f"{name} would be re-issued.", DRY])
            return
        made = charging.reissue(payment_id=payment.id, who=WHO, reason=options["reason"], now=now)
        if isinstance(made, charging.NotClosed):
            raise CommandError(f"{payment.id} is not re-issued: {made.text}")
        tasks.ring(payment_ids=[made.id])
        self.answer(options, document=document | {"made": made.id}, lines=[f"{made.id} is due now."])
