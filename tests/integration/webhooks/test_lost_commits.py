"""A payment that Stripe says was paid, and that is bound to nothing here: its binding was committed, and is lost."""

from datetime import UTC, datetime
from typing import Any

import pytest

from payments import charging
from payments.gateway import Gateway
from payments.models import Pause, Payment
from tests.integration.events import accept, event, record
from tests.integration.webhooks.sent import FOREIGN, intent_of, tell

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def unbound() -> Payment:
    """What a failover has left of a payment that was charged: it looks as if nothing had been asked of Stripe."""
    now = datetime.now(UTC)
    accept(record(event(), at=now), now=now)
    return Payment.objects.get()


def about(payment: Payment, **changes: Any) -> dict[str, Any]:
    """Its PaymentIntent as Stripe tells of it, as far as we look."""
    said = {"id": "pi_lost", "amount": 10_000, "currency": "kzt", "metadata": {"payment_id": str(payment.id)}}
    return intent_of(payment, **(said | changes))


@pytest.mark.parametrize("kind", ["payment_intent.succeeded", "charge.succeeded"])
def test_it_stops_charging_and_stays_open(unbound: Payment, kind: str) -> None:
    """P1, P3: no money state moves by a hint; what is told again stops nothing again."""
    before = Payment.objects.values().get()
    said = about(unbound)
    if kind.startswith("charge"):
        said |= {"id": "ch_1", "object": "charge", "payment_intent": "pi_lost"}
    for _ in range(2):
        row = tell(kind, said)
        assert (row.verdict, row.handled_at, row.payment_id) == ("", None, None)
    pause = Pause.objects.get()
    assert (pause.cause, pause.began_by, pause.ended_at) == ("restored", "webhook", None)
    assert "reconcile --adopt" in pause.reason
    assert Payment.objects.values().get() == before


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"status": "requires_payment_method"}, {}), ({"status": "processing"}, {}), ({"amount": 9_999}, {}),
        ({"currency": "usd"}, {}), ({"metadata": {}}, {}), ({"metadata": {"payment_id": "no id"}}, {}),
        ({"metadata": {"payment_id": "00000000-0000-4000-8000-000000000000"}}, {}),
        ({}, {"livemode": True}), ({}, {"account": "acct_somebody"}),
    ],
    ids=[
        "not paid", "processing", "another amount", "another currency", "of nobody", "no id", "another payment",
        "live mode", "another account",
    ],
)  # fmt: skip
def test_what_proves_nothing_is_of_others(unbound: Payment, changes: dict[str, Any], fields: dict[str, Any]) -> None:
    """Whatever adoption would refuse must not stop charging: nothing would let it go on."""
    assert tell("payment_intent.something", about(unbound, **changes), **fields).verdict == FOREIGN
    assert not charging.is_paused()


@pytest.mark.parametrize("why", ["bound", "closed"])
def test_what_has_another_intent_or_is_closed_is_charged_no_more(
    unbound: Payment, stripe_gateway: Gateway, why: str
) -> None:
    """Reconciliation finds what was taken then."""
    now = datetime.now(UTC)
    if why == "bound":
        Payment.objects.update(intent_id="pi_2", livemode=False)
    else:
        assert charging.close(payment_id=unbound.id, who="aida", reason="", gateway=stripe_gateway, now=now) is None
    assert tell("payment_intent.succeeded", about(unbound)).verdict == FOREIGN
    assert not charging.is_paused()
