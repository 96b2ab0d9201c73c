"""`manage.py notify`: tell once more how a payment stands."""

import uuid
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from payments.actions import ACTIONS, Did, Wish
from payments.management.choosing import find_payment
from payments.management.terminal import (
    DRY,
    WHO,
    AnsweringCommand,
    add_acting,
    add_json,
    wants_to_act,
)

ACTION = ACTIONS["notify"]


class Command(AnsweringCommand):
    """A dry run unless `--yes`."""

    help = (
        "Send the notification of a payment again, as it stands now: the customer gets another e-mail. It has an id of "
        "its own, and names the first one in metadata.resendOf. A dry run unless --yes."
    )
    examples = """
manage.py notify sub_1
manage.py notify pi_3Q… --reason "the e-mail was lost" --yes
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """Which payment, and why."""
        parser.add_argument("payment", help="its id, its subscription, or pi_…")
        add_acting(parser)
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """One line; exit code 1 with the reason where it can't be done."""
        acts, now = wants_to_act(options), datetime.now(UTC)
        payment = find_payment(options["payment"])
        name = f"{payment.id} ({payment.subscription_id}, {payment.status})"
        why_not = ACTION.find_refusal(payment, now)
        if not why_not and acts:
            with transaction.atomic():
                outcome = ACTION.act(
                    Wish(id=uuid.uuid4(), subject=payment.id, who=WHO, why=options["reason"], now=now, arguments={})
                )
            why_not = "" if isinstance(outcome, Did) else outcome.text
        if why_not:
            raise CommandError(f"{name}: nobody is told: {why_not}")
        lines = [f"{name} is told again."] if acts else [f"{name} would be told again.", DRY]
        self.answer(
            options, document={"payment": payment.id, "status": payment.status, "acted": acts}, lines=lines
        )  # fmt: skip
