"""One month line by line: each movement of Stripe's balance beside our row, and rows of ours that have no line.

Matched by Stripe's ids and never by time, so that a payment that we heard of after midnight is no difference: a pair is
of the month of Stripe's line. What has no line in any month is of the month of our own time.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, assert_never

from django.db.models import Q, QuerySet

from payments.models import BalanceLine, Dispute, Payment, Refund
from payments.statement.movement import COMPARED, RETURNED, WITHDRAWN, Kind, Movement, Sum, Why
from payments.statement.only_here import only_here

# Each part is a few statements, whatever the month holds.
PART = 1_000


def movements(*, from_at: datetime, until_at: datetime, account: str) -> Iterator[Movement]:
    """All that is compared, in Stripe's order; then what is only here. `account`: others' payments are left out."""
    for part in _parts(from_at, until_at, COMPARED):
        yield from _match(part)
    for _question, movement in only_here(from_at=from_at, until_at=until_at, account=account):
        yield movement


def other_lines(*, from_at: datetime, until_at: datetime) -> "QuerySet[BalanceLine]":
    """What else moved on the balance: payouts, Stripe's own bills, …"""
    found = BalanceLine.objects.filter(created_at__gte=from_at, created_at__lt=until_at)
    return found.exclude(category__in=COMPARED).order_by("created_at", "-id")


def _parts(from_at: datetime, until_at: datetime, categories: Iterable[str]) -> Iterator[list[BalanceLine]]:
    rows = BalanceLine.objects.filter(created_at__gte=from_at, created_at__lt=until_at, category__in=categories)
    rows, last = rows.order_by("created_at", "-id"), None
    while True:
        beyond = Q(created_at__gt=last.created_at) | Q(created_at=last.created_at, id__lt=last.id) if last else Q()
        part = list(rows.filter(beyond)[:PART])
        if part:
            yield part
        if len(part) < PART:
            return
        last = part[-1]


def _match(part: Sequence[BalanceLine]) -> Iterator[Movement]:
    payments = {one.intent_id: one for one in Payment.objects.filter(intent_id__in={line.intent_id for line in part})}
    sources = {line.source_id for line in part}
    refunds = {one.refund_id: one for one in Refund.objects.filter(refund_id__in=sources)}
    disputes = {one.dispute_id: one for one in Dispute.objects.filter(dispute_id__in=sources)}
    for line in part:
        kind, payment = Kind(line.category), payments.get(line.intent_id)
        row: Any = payment
        if kind in (Kind.REFUND, Kind.REFUND_FAILURE):
            row = refunds.get(line.source_id)
        elif kind is not Kind.CHARGE:
            row = disputes.get(line.source_id)
        yield _pair(kind, line, payment, row)


def _pair(kind: Kind, line: BalanceLine, payment: Payment | None, row: Any) -> Movement:
    there = Sum(amount=line.amount or 0, currency=line.currency)
    here = None
    if row is not None and _is_so(kind, row):
        currency = row.payment.currency if isinstance(row, Refund) else row.currency
        here = Sum(amount=row.amount, currency=currency)
    return Movement(
        kind=kind, at=line.created_at, source=line.source_id, intent=line.intent_id,
        payment=payment.id if payment else None, here=here, there=there, line=line,
        why=_why(line, payment, row, here, there),
    )  # fmt: skip


def _is_so(kind: Kind, row: Any) -> bool:
    """Whether our row says that this has happened."""
    match kind:
        case Kind.CHARGE:
            return bool(row.status == Payment.Status.SUCCESS)
        case Kind.REFUND:
            # Also one that came home since: that is a movement of its own.
            return row.state in (Refund.State.PENDING, Refund.State.SUCCEEDED, *RETURNED)
        case Kind.REFUND_FAILURE:
            return row.state in RETURNED
        case Kind.DISPUTE:
            return row.status in WITHDRAWN
        case Kind.DISPUTE_REVERSAL:
            return bool(row.status == "won")
        case _:
            assert_never(kind)


def _why(line: BalanceLine, payment: Payment | None, row: Any, here: Sum | None, there: Sum) -> Why:
    if here == there:
        return Why.NOTHING
    if here is not None:
        return Why.AMOUNT if here.currency == there.currency else Why.CURRENCY
    if row is not None:
        return Why.NOT_SO_HERE
    return Why.NOT_HERE if payment or line.payment else Why.NOT_OURS
