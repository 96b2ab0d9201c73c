"""What happens at Stripe without a request of ours: cards with a will, customers who act, banks that decide.

Each function changes a ledger whose lock is held, and raises ValueError with a sentence for what cannot be.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from . import disputes, payment_intents, refunds
from .calls import Call
from .cards import Decline, Success, fingerprint_of
from .charging import WAITING, finish
from .errors import StripeError
from .ledger import Ledger
from .records import Charge, Customer, Dispute, PaymentIntent, PaymentMethod, Refund
from .script import Step, find_look_alike, read_step, read_steps

NO_REDIRECT = {"enabled": True, "allow_redirects": "never"}
# Status of a foreign payment -> the card it was paid with, if any. `canceled` is canceled afterwards.
FOREIGN = {
    "requires_payment_method": None,
    "requires_confirmation": "pm_card_visa",
    "requires_action": "pm_card_authenticationRequired",
    "processing": "processing",
    "succeeded": "pm_card_visa",
    "canceled": None,
}


def save_payment_method(
    ledger: Ledger,
    *,
    identifier: str | None,
    like: str,
    behaviour: Step | list[Step] | None,
    customer: str | None,
    fingerprint: str | None = None,
) -> PaymentMethod:
    """Save a card that can be used again and again, over one with that id if there is one."""
    card, usual = find_look_alike(like)
    steps = [usual] if behaviour is None else read_steps(behaviour)
    identifier = identifier or ledger.new_id("pm")
    if customer is not None and customer not in ledger.customers:
        ledger.save(Customer(id=customer, created=int(ledger.now())))
    method = PaymentMethod(
        id=identifier,
        created=int(ledger.now()),
        card=card,
        fingerprint=fingerprint or fingerprint_of(identifier),
        steps=steps,
        customer=customer,
        single_use=False,
    )
    ledger.save(method)
    return method


def resolve(ledger: Ledger, *, payment_intent: str, outcome: Step | None) -> PaymentIntent:
    """End `requires_action` or `processing` as the card has it, or as `outcome` says."""
    intent = ledger.payment_intents.get(payment_intent)
    if intent is None or intent.status not in WAITING:
        raise ValueError(f"{payment_intent} does not wait for anything")
    ending = intent.pending if outcome is None else read_step(outcome)
    method = ledger.payment_methods.get(intent.payment_method or "")
    if method is None or not isinstance(ending, Success | Decline):
        raise ValueError("an outcome is success or a decline")
    # A decline is raised as the answer to a request; here nobody waits for one.
    with suppress(StripeError):
        finish(ledger, intent, method, ending)
    return intent


def refund(ledger: Ledger, *, payment_intent: str, amount: int | None, reason: str | None) -> Refund:
    """Refund as a person does in the dashboard."""
    sent = {"payment_intent": payment_intent, "amount": amount, "reason": reason}
    try:
        return refunds.create(ledger, _call({name: value for name, value in sent.items() if value is not None}))
    except StripeError as error:
        raise ValueError(str(error)) from None


def resolve_refund(ledger: Ledger, *, refund: str, outcome: str | None, failure_reason: str | None) -> Refund:
    """Let the bank decide about a refund."""
    record = ledger.refunds.get(refund)
    if record is None:
        raise ValueError(f"no refund {refund}")
    return refunds.resolve(ledger, record, outcome=outcome, failure_reason=failure_reason)


def find_success(ledger: Ledger, payment_intent: str) -> Charge:
    """Return the charge that took the money."""
    intent = ledger.payment_intents.get(payment_intent)
    for charge in map(ledger.charges.get, intent.charges if intent else []):
        if charge is not None and charge.status == "succeeded":
            return charge
    raise ValueError(f"{payment_intent} has no successful charge")


def resolve_dispute(ledger: Ledger, *, dispute: str, outcome: str) -> Dispute:
    """Move a dispute on."""
    record = ledger.disputes.get(dispute)
    if record is None:
        raise ValueError(f"no dispute {dispute}")
    return disputes.resolve(ledger, record, outcome=outcome)


def add_foreign_payment(
    ledger: Ledger, *, amount: int, currency: str, status: str, metadata: dict[str, str]
) -> PaymentIntent:
    """Make another program's PaymentIntent."""
    if status not in FOREIGN:
        raise ValueError(f"status is one of {', '.join(FOREIGN)}")
    card = FOREIGN[status]
    if card == "processing":
        card = save_payment_method(
            ledger, identifier=None, like="pm_card_visa", behaviour="processing", customer=None
        ).id
    sent: dict[str, Any] = {"amount": amount, "currency": currency, "metadata": metadata}
    sent |= {
        "automatic_payment_methods": NO_REDIRECT,
        "confirm": card is not None and status != "requires_confirmation",
    }
    sent |= {"payment_method": card} if card else {}
    try:
        intent = payment_intents.create(ledger, _call(sent))
    except StripeError as error:
        raise ValueError(str(error)) from None
    return payment_intents.cancel(ledger, _call({}, intent.id)) if status == "canceled" else intent


def _call(params: dict[str, Any], subject: str = "") -> Call:
    return Call(params, subject, account="")
