"""Who is a duplicate: a pure judgement of one request against what is known of its subscription.

Three identities are looked at elsewhere or here: the record's place (the inbox), the obligation (the
subscription's payment) and the fingerprint (amount, currency, user). Read the cells of the table from top to
bottom: the first that fits is the verdict.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from payments import retry_policy
from payments.intake.requests import PaymentRequest


class Action(Enum):
    """What an accepted or duplicate request makes of the payment."""

    NOTHING = "nothing"
    NEW_PAYMENT = "new payment"
    NEW_ATTEMPT = "new attempt"
    REFUSED_ATTEMPT = "refused attempt"
    KEEP_METHOD = "keep method"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The verdict, its reason for a person, and what to do."""

    verdict: str
    reason: str = ""
    action: Action = Action.NOTHING
    refusal: retry_policy.Refusal | None = None


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a subscription: the newest record judged, and its payment, the open one or the latest."""

    judged_until: datetime | None
    status: str = ""  # of the payment; empty: there is none
    imported: bool = False
    closed: bool = False
    kind: str = ""
    fingerprint: tuple[int, str, str] = (0, "", "")
    payment_method: str = ""
    card_declines: int = 0


def judge(*, request: PaymentRequest, at: datetime, known: Known, event_seen_for: str | None) -> Judgement:
    """Judge a request whose record is at a new place. `event_seen_for`: the subscription of its event id, if known."""
    if event_seen_for == request.subscription:
        return Judgement(verdict="duplicate", reason="its event id is known")
    if known.judged_until is not None and at <= known.judged_until:
        return Judgement(verdict="duplicate", reason="a record as new as this one has been judged")
    if event_seen_for is not None:
        return Judgement(
            verdict="conflict",
            reason=f"ce_id: is the id of an event of subscription {event_seen_for}: event ids must be unique",
        )
    if not known.status or known.closed:
        return Judgement(verdict="accepted", action=Action.NEW_PAYMENT)
    if request.fingerprint != known.fingerprint:
        return Judgement(verdict="conflict", reason=_what_differs(request, known))
    other_method = request.payment_method != known.payment_method
    if known.status == "success":
        by_whom = "was paid by the service before" if known.imported else "is paid"
        return Judgement(verdict="duplicate", reason=f"the subscription {by_whom}")
    if known.status == "pending":
        keep = Action.KEEP_METHOD if other_method else Action.NOTHING
        return Judgement(verdict="duplicate", reason="its payment is under way", action=keep)
    refusal = retry_policy.refusal_to_retry(
        kind=known.kind, same_method=not other_method, asked_by="event", card_declines=known.card_declines
    )
    if refusal:
        return Judgement(verdict="accepted", action=Action.REFUSED_ATTEMPT, refusal=refusal)
    return Judgement(verdict="accepted", action=Action.NEW_ATTEMPT)


def _what_differs(request: PaymentRequest, known: Known) -> str:
    """Names, not values: the reason is read by people who may not see personal data."""
    names = ("product.price", "product.currency", "user.id")
    differing = [
        name for name, ours, theirs in zip(names, known.fingerprint, request.fingerprint, strict=True) if ours != theirs
    ]
    return (
        f"{', '.join(differing)}: differs from the payment of this subscription, which is {known.status}: "
        "correct the event, or close the payment first"
    )
