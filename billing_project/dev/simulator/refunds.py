"""Refunds: money back, never more than was taken."""

from __future__ import annotations

from .calls import Call, Page, page_of
from .errors import invalid, invalid_parameter, no_such
from .ledger import Ledger
from .records import Charge, Refund


def create(ledger: Ledger, call: Call) -> Refund:
    """Give back `amount`, or all that is left, of a PaymentIntent's or a named charge."""
    charge = _charge_to_refund(ledger, call)
    left = charge.amount - charge.amount_refunded
    if left == 0:
        message = f"Charge {charge.id} has already been refunded."
        raise invalid(message, code="charge_already_refunded")
    amount = call.params.get("amount", left)
    if amount > left:
        message = (
            f"Refund amount ({amount} {charge.currency}) is greater than unrefunded amount on charge "
            f"({left} {charge.currency})"
        )
        raise invalid(message, param="amount")
    refund = Refund(
        id=ledger.new_id("re"),
        created=int(ledger.now()),
        charge=charge.id,
        payment_intent=charge.payment_intent,
        amount=amount,
        currency=charge.currency,
        reason=call.params.get("reason"),
        metadata=call.params.get("metadata", {}),
    )
    charge.amount_refunded += amount
    ledger.save(refund)
    ledger.save(charge)
    ledger.tell("refund.created", refund)
    ledger.tell("charge.refunded", charge)
    return refund


def retrieve(ledger: Ledger, call: Call) -> Refund:
    """Return a refund."""
    refund = ledger.refunds.get(call.subject)
    if refund is None:
        raise no_such("refund", call.subject, param="id", in_path=True)
    return refund


def list_all(ledger: Ledger, call: Call) -> Page:
    """List refunds, newest first, of one PaymentIntent or charge or of all."""
    intent, charge = call.params.get("payment_intent"), call.params.get("charge")
    return page_of(
        ledger.refunds,
        call,
        keep=lambda refund: intent in {None, refund.payment_intent} and charge in {None, refund.charge},
    )


def _charge_to_refund(ledger: Ledger, call: Call) -> Charge:
    params = call.params
    if params.get("amount", 1) < 1:
        raise invalid_parameter(
            "This value must be greater than or equal to 1.", param="amount", code="parameter_invalid_integer"
        )
    if "charge" in params:
        charge = ledger.charges.get(params["charge"])
        if charge is None:
            raise no_such("charge", params["charge"], param="charge", in_path=False)
        if charge.status != "succeeded":
            raise invalid(f"Charge {charge.id} has no money to refund.", param="charge")
        return charge
    if "payment_intent" not in params:
        message = "One of the following params should be provided for this request: payment_intent or charge."
        raise invalid_parameter(message, param="payment_intent", code="parameter_missing")
    intent = ledger.payment_intents.get(params["payment_intent"])
    if intent is None:
        raise no_such("payment_intent", params["payment_intent"], param="payment_intent", in_path=False)
    for charge in map(ledger.charges.get, intent.charges):
        if charge is not None and charge.status == "succeeded":
            return charge
    message = f"This PaymentIntent ({intent.id}) does not have a successful charge to refund."
    raise invalid(message, param="payment_intent")
