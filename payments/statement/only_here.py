"""Rows of ours whose lines are in no month that was read."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from payments.models import BalanceLine, Dispute, Payment, Refund
from payments.statement.movement import RETURNED, WITHDRAWN, Kind, Movement, Sum, Why

PART = 1_000


def only_here(*, from_at: datetime, until_at: datetime, account: str) -> Iterator[tuple[str, Movement]]:
    """Rows of ours whose lines are in no month; with the id by which Stripe can be asked for them, empty if unknown."""
    window = (from_at, until_at)
    accounts = ("", account) if account else None
    for payment in _of(_payments(window), "account_id", accounts):
        charge = payment.attempts.filter(state="succeeded").values_list("charge_id", flat=True).first() or ""
        yield charge, _ours(Kind.CHARGE, payment, payment.settled_at, charge, payment.amount)
    for kind, refunds in _refunds(window):
        for refund in _of(refunds.select_related("payment"), "payment__account_id", accounts):
            source = refund.refund_id or ""
            yield source, _ours(kind, refund.payment, refund.ended_at, source, refund.amount)
    for kind, disputes in _disputes(window):
        for dispute in _of(disputes.select_related("payment"), "payment__account_id", accounts):
            at = dispute.opened_at if kind is Kind.DISPUTE else dispute.ended_at
            there = Sum(amount=dispute.amount, currency=dispute.currency)
            yield dispute.dispute_id, _ours(kind, dispute.payment, at, dispute.dispute_id, there.amount, there.currency)


def _of(rows: "QuerySet[Any]", field: str, accounts: Sequence[str] | None) -> Iterator[Any]:
    found = rows.filter(**{f"{field}__in": accounts}) if accounts else rows
    return iter(found.order_by("pk").iterator(chunk_size=PART))


def _payments(window: tuple[datetime, datetime]) -> "QuerySet[Payment]":
    line = BalanceLine.objects.filter(category=Kind.CHARGE.value, intent_id=OuterRef("intent_id"))
    paid = Payment.objects.filter(status=Payment.Status.SUCCESS, settled_at__gte=window[0], settled_at__lt=window[1])
    return paid.filter(~Exists(line))


def _refunds(window: tuple[datetime, datetime]) -> Iterator[tuple[Kind, "QuerySet[Refund]"]]:
    made, home = _line_of("refund_id", Kind.REFUND), _line_of("refund_id", Kind.REFUND_FAILURE)
    ended = Refund.objects.filter(ended_at__gte=window[0], ended_at__lt=window[1])
    yield Kind.REFUND, ended.filter(~Exists(made), state=Refund.State.SUCCEEDED)
    # One that Stripe's balance has never seen needn't come home.
    yield Kind.REFUND_FAILURE, ended.filter(Exists(made), ~Exists(home), state__in=RETURNED)


def _disputes(window: tuple[datetime, datetime]) -> Iterator[tuple[Kind, "QuerySet[Dispute]"]]:
    taken, back = _line_of("dispute_id", Kind.DISPUTE), _line_of("dispute_id", Kind.DISPUTE_REVERSAL)
    opened, won = (
        Q(**{f"{at}__gte": window[0], f"{at}__lt": window[1]}) for at in ("opened_at", "ended_at")
    )  # fmt: skip
    yield Kind.DISPUTE, Dispute.objects.filter(opened, ~Exists(taken), status__in=WITHDRAWN)
    yield Kind.DISPUTE_REVERSAL, Dispute.objects.filter(won, ~Exists(back), status="won")


def _line_of(field: str, kind: Kind) -> "QuerySet[BalanceLine]":
    return BalanceLine.objects.filter(source_id=OuterRef(field), category=kind.value)


def _ours(kind: Kind, payment: Payment, at: datetime | None, source: str, amount: int, currency: str = "") -> Movement:
    assert at is not None  # noqa: S101 -- it was found by it
    return Movement(
        kind=kind, at=at, source=source, intent=payment.intent_id or "", payment=payment.id,
        here=Sum(amount=amount, currency=currency or payment.currency), there=None, why=Why.NO_LINE,
    )  # fmt: skip
