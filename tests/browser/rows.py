"""Payments for the journeys, made by the product's own code against the simulator."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.gateway import Gateway
from payments.models import Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record

METHODS = {
    "paid": "pm_card_visa",
    "declined": "pm_card_chargeDeclinedInsufficientFunds",
    "stolen": "pm_card_chargeDeclinedStolenCard",
    "authentication": "pm_card_authenticationRequired",
}


def one_of_each(*, gateway: Gateway, clock: Clock) -> dict[str, Payment]:
    """A payment for each of METHODS, at rest, by that name; and a record that makes no sense."""
    for name, method in METHODS.items():
        sent = event(f"sub_{name}", method=method, user=f"u_{name}", price=4990)
        sent["user"]["email"] = f"{name}@example.kz"
        accept(record(sent, at=clock()), now=clock())
    accept(record(b"[object Object]", at=clock()), now=clock())
    charging.charge(payment_ids=list(Payment.objects.values_list("id", flat=True)), gateway=gateway, clock=clock)
    return {name: Payment.objects.get(subscription_id=f"sub_{name}") for name in METHODS}


def decline_once(count: int, *, stripe: Simulator, gateway: Gateway, clock: Callable[[], datetime]) -> list[Payment]:
    """So many payments of 100 KZT, declined for want of money; each with a card that has it the next time."""
    return [_decline(f"later_{number}", stripe, gateway, clock) for number in range(count)]


def leave_unknown(*, stripe: Simulator, gateway: Gateway, clock: Callable[[], datetime]) -> Payment:
    """A payment whose outcome nobody knows, whoever asks: Stripe has taken it, and its answers are lost."""
    for endpoint in ("confirm", "retrieve"):
        stripe.control.add_fault(kind="reset", endpoint=endpoint, count=None, metadata={"subscription_id": "unknown"})
    return take("unknown", gateway=gateway, clock=clock)


def take(name: str, *, gateway: Gateway, clock: Callable[[], datetime], **changes: Any) -> Payment:
    """One payment of 100 KZT, and what becomes of its first try. `changes` as for an event."""
    sent = event(name, **({"method": "pm_card_visa", "user": f"u_{name}"} | changes))
    sent["user"]["email"] = f"{name}@example.kz"
    accepted = accept(record(sent, at=clock()), now=clock())
    charging.charge(payment_ids=accepted.due, gateway=gateway, clock=clock)
    return Payment.objects.get(subscription_id=name)


def _decline(name: str, stripe: Simulator, gateway: Gateway, clock: Callable[[], datetime]) -> Payment:
    card = f"pm_{name}"
    stripe.control.add_payment_method(id=card, behaviour=[{"decline_code": "insufficient_funds"}, "success"])
    return take(name, gateway=gateway, clock=clock, method=card)
