"""Disputes: the customer's bank takes the money back, and may give it back again.

needs_response -> under_review -> won | lost, and warning_needs_response -> warning_under_review ->
warning_closed for an inquiry, which takes nothing and may become a real one (needs_response).
"""

from __future__ import annotations

from .balance import reinstate, withdraw
from .calls import Call, Page, page_of
from .errors import no_such
from .ledger import Ledger
from .records import Charge, Dispute

ANSWER_SECONDS = 7 * 24 * 3600
INQUIRY = frozenset({"warning_needs_response", "warning_under_review"})
ARROWS = {
    "needs_response": {"under_review", "won", "lost"},
    "under_review": {"won", "lost"},
    "warning_needs_response": {"warning_under_review", "warning_closed", "needs_response"},
    "warning_under_review": {"warning_closed", "needs_response"},
}
CLOSED = frozenset({"won", "lost", "warning_closed"})


def retrieve(ledger: Ledger, call: Call) -> Dispute:
    """Return a dispute."""
    dispute = ledger.disputes.get(call.subject)
    if dispute is None:
        raise no_such("dispute", call.subject, param="id", in_path=True)
    return dispute


def list_all(ledger: Ledger, call: Call) -> Page:
    """List disputes, newest first, of one PaymentIntent or charge or of all."""
    intent, charge = call.params.get("payment_intent"), call.params.get("charge")
    return page_of(
        ledger.disputes,
        call,
        keep=lambda dispute: intent in {None, dispute.payment_intent} and charge in {None, dispute.charge},
    )


def begin(
    ledger: Ledger,
    charge: Charge,
    *,
    reason: str,
    amount: int | None = None,
    due_by: int | None = None,
    inquiry: bool = False,
) -> Dispute:
    """Dispute a charge, or `amount` minor units of it. `due_by`: seconds since 1970, in a week by default."""
    if amount is not None and not 0 < amount <= charge.amount:
        raise ValueError(f"amount is 1 to {charge.amount}")
    now = int(ledger.now())
    dispute = Dispute(
        id=ledger.new_id("du"),
        created=now,
        charge=charge.id,
        payment_intent=charge.payment_intent,
        card_brand=charge.card.brand,
        amount=charge.amount if amount is None else amount,
        currency=charge.currency,
        reason=reason,
        status="warning_needs_response" if inquiry else "needs_response",
        due_by=now + ANSWER_SECONDS if due_by is None else due_by,
    )
    charge.disputed = True
    ledger.save(charge)
    ledger.save(dispute)
    ledger.tell("charge.dispute.created", dispute)
    if not inquiry:
        _withdraw(ledger, dispute)
    return dispute


def resolve(ledger: Ledger, dispute: Dispute, *, outcome: str) -> Dispute:
    """Move a dispute on, or end it. Raises ValueError for an arrow that isn't there."""
    if outcome not in ARROWS.get(dispute.status, set()):
        raise ValueError(f"{dispute.id} is {dispute.status} and can't become {outcome}")
    escalates = dispute.status in INQUIRY and outcome == "needs_response"
    dispute.status = outcome
    ledger.save(dispute)
    ledger.tell("charge.dispute.closed" if outcome in CLOSED else "charge.dispute.updated", dispute)
    if escalates:
        _withdraw(ledger, dispute)
    if outcome == "won":
        reinstate(ledger, dispute)
        ledger.tell("charge.dispute.funds_reinstated", dispute)
    return dispute


def _withdraw(ledger: Ledger, dispute: Dispute) -> None:
    withdraw(ledger, dispute)
    ledger.tell("charge.dispute.funds_withdrawn", dispute)
