"""Refunds: money back, never more than was taken. What is given back may come home again."""

from __future__ import annotations

from typing import Any

from .balance import give_back, take_home
from .calls import Call, Page, page_of
from .errors import invalid, invalid_parameter, no_such
from .ledger import Ledger
from .records import Charge, Refund

# What a card's refunds are at first, and what they come to.
FIRST = {"succeeded": "succeeded", "pending": "pending", "fails_later": "succeeded", "fails": "failed"}
LAST = {"succeeded": "succeeded", "pending": "succeeded", "fails_later": "failed", "fails": "failed"}
ARROWS = {"pending": {"succeeded", "failed", "canceled"}, "succeeded": {"failed"}}


def create(ledger: Ledger, call: Call) -> Refund:
    """Give back `amount`, or all that is left, of a PaymentIntent's or a named charge."""
    charge = _charge_to_refund(ledger, call.params)
    amount = _check_amount(ledger, charge, call.params.get("amount"))
    refund = Refund(
        id=ledger.new_id("re"),
        created=int(ledger.now()),
        charge=charge.id,
        payment_intent=charge.payment_intent,
        amount=amount,
        currency=charge.currency,
        status=FIRST[ledger.returns or charge.returns],
        reason=call.params.get("reason"),
        metadata=call.params.get("metadata", {}),
    )
    if refund.status == "failed":
        refund.failure_reason = "unknown"
        ledger.save(refund)
        ledger.tell("refund.created", refund)
        ledger.tell("refund.failed", refund)
        return refund
    charge.amount_refunded += amount
    give_back(ledger, refund)
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


def resolve(ledger: Ledger, refund: Refund, *, outcome: str | None, failure_reason: str | None) -> Refund:
    """Let the bank decide: as the card has it, or `outcome`. The money of a refund that failed or was canceled
    is the seller's again, and may be refunded once more. Raises ValueError for an arrow that isn't there."""
    charge = ledger.charges.get(refund.charge)
    if charge is None:
        raise ValueError(f"{refund.id} has no charge")
    status = outcome or LAST[ledger.returns or charge.returns]
    if status not in ARROWS.get(refund.status, set()):
        raise ValueError(f"{refund.id} is {refund.status} and can't become {status}")
    refund.status = status
    if status != "succeeded":
        charge.amount_refunded -= refund.amount
        ledger.save(charge)
        take_home(ledger, refund)
    if status == "failed":
        refund.failure_reason = failure_reason or "unknown"
    ledger.save(refund)
    ledger.tell("refund.updated", refund)
    ledger.tell("charge.refund.updated", refund)
    if status == "failed":
        ledger.tell("refund.failed", refund)
    return refund


def _check_amount(ledger: Ledger, charge: Charge, wanted: int | None) -> int:
    if _is_charged_back(ledger, charge):
        message = f"Charge {charge.id} has been charged back; cannot issue a refund."
        raise invalid(message, code="charge_disputed")
    left = charge.amount - charge.amount_refunded
    if left == 0:
        message = f"Charge {charge.id} has already been refunded."
        raise invalid(message, code="charge_already_refunded")
    amount = left if wanted is None else wanted
    if amount > left:
        message = (
            f"Refund amount ({amount} {charge.currency}) is greater than unrefunded amount on charge "
            f"({left} {charge.currency})"
        )
        raise invalid(message, param="amount")
    return amount


def _is_charged_back(ledger: Ledger, charge: Charge) -> bool:
    held = {"needs_response", "under_review", "lost"}
    return charge.disputed and any(d.charge == charge.id and d.status in held for d in ledger.disputes)


def _charge_to_refund(ledger: Ledger, params: dict[str, Any]) -> Charge:
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
