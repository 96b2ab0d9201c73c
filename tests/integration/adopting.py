"""What tests of adoption share: a PaymentIntent as Stripe lists it, and the only payment there is."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from payments import charging
from payments.answers import Declined, Intent, ListedIntent, Seen
from payments.charging import NotAdopted
from payments.models import Attempt, Payment
from tests.integration.ledger_rows import NOW, attempt, restoring

SECOND = timedelta(seconds=1)
LOST = Declined(code="card_declined", decline_code="lost_card", charge="ch_9")
BOUND: dict[str, Any] = {"intent_id": "pi_1", "livemode": False, "account_id": "acct_1"}


def listed(status: str, *, refusal: Declined | None = None, method: str = "", **changes: Any) -> ListedIntent:
    """The PaymentIntent of the only payment there is, as Stripe lists it."""
    intent = Intent(
        id="pi_1", status=status, amount=10_000, currency="KZT", livemode=False, payment=str(Payment.objects.get().id),
        charge="", created_at=NOW,
    )  # fmt: skip
    seen = Seen(intent=replace(intent, **changes), refusal=refusal)
    return ListedIntent(seen=seen, subscription="sub_1", customer="cus_1", declined_method=method)


def adopt(found: ListedIntent, *, tries: int = 0) -> NotAdopted | None:
    """Into the only payment there is."""
    return charging.adopt(payment_id=Payment.objects.get().id, found=found, account="acct_1", now=NOW, tries=tries)


def before(of: Payment, **fields: Any) -> Attempt:
    """An attempt in whatever state it has come to."""
    with restoring():
        return attempt(of, **fields)
