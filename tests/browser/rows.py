"""Payments for the journeys, made by the product's own code against the simulator."""

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
