"""One answer, settled without a call to Stripe, and the rows that it leaves behind."""

from datetime import UTC, datetime, timedelta
from typing import Any

from payments import charging
from payments.answers import Answer, Intent, Seen
from payments.models import Attempt, Payment
from tests.integration.ledger_rows import NOW, attempt, payment

SOON = NOW + timedelta(seconds=1)


def settle(answer: Answer, *, at: datetime = SOON, **of_attempt: Any) -> tuple[Payment, Attempt]:
    """One attempt of a bound payment, made if there is none, and what the answer makes of both."""
    if not Attempt.objects.exists():
        attempt(payment(intent_id="pi_1", livemode=False), idempotency_key="key", **of_attempt)
    row = Attempt.objects.latest("number")
    charging.settle(attempt_id=row.id, answer=answer, now=at)
    return Payment.objects.get(), Attempt.objects.get(id=row.id)


def seen(status: str) -> Seen:
    """The PaymentIntent of that payment."""
    return Seen(
        intent=Intent(
            id="pi_1", status=status, amount=10_000, currency="KZT", livemode=False,
            payment=str(Payment.objects.get().id), charge="", created_at=datetime(2026, 1, 31, tzinfo=UTC),
        ),
        request="req_1",
    )  # fmt: skip
