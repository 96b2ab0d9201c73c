"""One charge of Stripe's beside one payment of ours: in what do they differ? Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from payments import money
from payments.answers import Charge
from payments.models import Break, Payment


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What becomes a break. `reason` is for a person: what is there, what is here, and what to do."""

    kind: str
    intent: str
    charge: str
    payment: Payment | None
    reason: str
    details: dict[str, Any]


def differences(*, charge: Charge, payment: Payment | None, refunded: int, others: Collection[str]) -> list[Difference]:
    """All in which a successful charge and its payment differ.

    `payment`: the one it is for, None if it isn't here. `refunded`: what our rows say was given back or soon will be.
    `others`: PaymentIntents that have taken money for the same obligation and not given it back.
    """
    found = []
    if others and not charge.is_given_back:
        found.append((Break.Kind.PAID_TWICE, _paid_twice(charge, payment, others)))
    if payment is None or payment.intent_id != charge.intent or payment.status != Payment.Status.SUCCESS:
        if not charge.is_given_back:
            found.append((Break.Kind.PAID_THERE, _paid_there(charge, payment)))
    else:
        if (charge.amount, charge.currency) != (payment.amount, payment.currency):
            found.append((Break.Kind.AMOUNT, _amount(charge, payment)))
        if charge.refunded != refunded:
            found.append((Break.Kind.REFUNDED, _refunded(charge, refunded)))
    details = _details(charge, payment, refunded)
    return [
        Difference(
            kind=kind, intent=charge.intent, charge=charge.id, payment=payment, reason=reason,
            details=details | ({"others": sorted(others)} if kind == Break.Kind.PAID_TWICE else {}),
        )
        for kind, reason in found
    ]  # fmt: skip


def not_paid_there(*, payment: Payment, status: str) -> Difference:
    """A success of ours of which Stripe says otherwise. `status`: the PaymentIntent's there; empty: there is none."""
    there = f"Stripe says that it is {status}" if status else "Stripe doesn't have it"
    return Difference(
        kind=Break.Kind.PAID_HERE,
        intent=payment.intent_id or "",
        charge="",
        payment=payment,
        reason=f"{_ours(payment)} is paid here with {payment.intent_id}, and {there}: nothing was taken. Find out who "
        "was told so, and whether this is the right Stripe account.",
        details={"here": _here(payment), "there": {"status": status}},
    )


def _paid_twice(charge: Charge, payment: Payment | None, others: Collection[str]) -> str:
    return (
        f"{_amount_of(charge)} was taken with {charge.intent} for subscription {_subscription(charge, payment)}, which "
        f"has paid with {', '.join(sorted(others))}, too: refund one of them in Stripe's dashboard."
    )


def _paid_there(charge: Charge, payment: Payment | None) -> str:
    taken = f"Stripe has taken {_amount_of(charge)} with {charge.intent}"
    if payment is None:
        return (
            f"{taken} for payment {charge.payment} of subscription {charge.subscription or '(unknown)'}, which isn't "
            "here. After a restore: manage.py reconcile --adopt. Otherwise find out who uses this Stripe account, or "
            "refund it in Stripe's dashboard."
        )
    if payment.closed_at:
        return f"{taken} for {_ours(payment)}, which is closed: refund it in Stripe's dashboard."
    if payment.intent_id != charge.intent:
        bound = f"bound to {payment.intent_id}" if payment.intent_id else "bound to none"
        return (
            f"{taken} for {_ours(payment)}, which is {payment.status} here and {bound}: the database has forgotten "
            "commits. Run manage.py reconcile --adopt."
        )
    return (
        f"{taken} for {_ours(payment)}, which is {payment.status} here although Stripe was asked: {payment.attention}"
    )


def _amount(charge: Charge, payment: Payment) -> str:
    ours = money.for_people(payment.amount, currency=payment.currency)
    what_to_do = "refund the difference, or collect it."
    return f"{_ours(payment)} is of {ours}, and Stripe has taken {_amount_of(charge)}: {what_to_do}"


def _refunded(charge: Charge, refunded: int) -> str:
    there = money.for_people(charge.refunded, currency=charge.currency)
    here = money.for_people(refunded, currency=charge.currency)
    return f"Stripe has given back {there} of {charge.intent}, and {here} is noted here."


def _details(charge: Charge, payment: Payment | None, refunded: int) -> dict[str, Any]:
    there = {
        "intent": charge.intent, "charge": charge.id, "amount": charge.amount, "refunded": charge.refunded,
        "currency": charge.currency, "payment": charge.payment, "subscription": charge.subscription,
    }  # fmt: skip
    here = _here(payment) | {"refunded": refunded} if payment else {}
    return {"subscription": _subscription(charge, payment), "there": there, "here": here}


def _here(payment: Payment) -> dict[str, Any]:
    return {
        "payment": str(payment.id), "intent": payment.intent_id, "status": payment.status,
        "amount": payment.amount, "currency": payment.currency, "closed": payment.closed_at is not None,
    }  # fmt: skip


def _subscription(charge: Charge, payment: Payment | None) -> str:
    return payment.subscription_id if payment else charge.subscription


def _ours(payment: Payment) -> str:
    return f"payment {payment.id} of subscription {payment.subscription_id}"


def _amount_of(charge: Charge) -> str:
    return money.for_people(charge.amount, currency=charge.currency)
