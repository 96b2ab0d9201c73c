"""Stripe's balance transactions: what came in and went out, in the currency of settlement, with what it is about."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from payments.answers import Page, StripeLine
from payments.gateway.listing import LARGEST_PAGE, Part, read_metadata, read_page, window
from payments.gateway.reading import read_id

# Amounts in the customer's currency stand in the source alone.
WITH_SOURCE: Any = {"expand": ["data.source"]}


def window_of_balance(part: Part) -> Any:
    """The parameters of a part of the list."""
    return window(part) | WITH_SOURCE


def of_source(source: str) -> Any:
    """The parameters for what one charge, refund or dispute has moved."""
    return {"source": source, "limit": LARGEST_PAGE} | WITH_SOURCE


def lines(found: Any) -> Page[StripeLine]:
    return read_page(found, _line)


def _line(found: Any) -> StripeLine:
    source, rate = found.source, getattr(found, "exchange_rate", None)
    amount, currency = getattr(source, "amount", None), (getattr(source, "currency", None) or "").upper()
    if getattr(source, "object", "") == "charge":
        amount = source.amount_captured
    if currency == found.currency.upper():
        # In one currency the line itself is the most exact: a dispute may take less than it is about.
        amount = abs(found.amount)
    return StripeLine(
        id=found.id,
        category=found.reporting_category,
        gross=found.amount,
        fee=found.fee,
        net=found.net,
        settled_in=found.currency.upper(),
        exchange_rate=None if rate is None else Decimal(repr(rate)),
        source=read_id(source),
        intent=read_id(getattr(source, "payment_intent", None)),
        payment=read_metadata(source, "payment_id"),
        amount=amount if currency else None,
        currency=currency,
        created_at=datetime.fromtimestamp(found.created, UTC),
    )
