"""Stripe's lists, read as parts of Stripe's books: a window of time, newest first, page by page.

Lists read their own writes. Search doesn't, so it proves nothing, and isn't used anywhere.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from payments.answers import Charge, ListedIntent, Page, Seen, StripeDispute, StripeRefund
from payments.gateway.reading import read_dispute, read_id, read_intent, read_refund, read_refusal

T = TypeVar("T")

LARGEST_PAGE = 100


@dataclass(frozen=True, kw_only=True)
class Part:
    """Which part of a list: made in [from_at, until_at), after the object `after` (empty: from the newest)."""

    from_at: datetime
    until_at: datetime
    after: str = ""
    size: int = LARGEST_PAGE


def window(part: Part) -> Any:
    """The parameters of a list. Stripe's times are whole seconds: the window is widened to them."""
    created = {"gte": math.floor(part.from_at.timestamp()), "lt": math.ceil(part.until_at.timestamp())}
    params: dict[str, Any] = {"created": created, "limit": part.size}
    return params | {"starting_after": part.after} if part.after else params


def charges(found: Any) -> Page[Charge]:
    return read_page(found, _charge)


def intents(found: Any) -> Page[ListedIntent]:
    return read_page(found, intent)


def intent(found: Any) -> ListedIntent:
    about = read_intent(found)
    last = getattr(found, "last_payment_error", None)
    refusal = read_refusal(last, intent=about, request="") if last and getattr(last, "code", None) else None
    return ListedIntent(
        seen=Seen(intent=about, refusal=refusal),
        subscription=read_metadata(found, "subscription_id"),
        customer=read_id(getattr(found, "customer", None)),
        declined_method=read_id(getattr(last, "payment_method", None)),
        canceled_as=getattr(found, "cancellation_reason", None) or "",
    )


def refunds(found: Any) -> Page[StripeRefund]:
    return read_page(found, read_refund)


def disputes(found: Any) -> Page[StripeDispute]:
    return read_page(found, read_dispute)


def read_page(found: Any, read: Callable[[Any], T]) -> Page[T]:
    return Page(items=tuple(read(one) for one in found.data), last=_last(found))


def _last(found: Any) -> str:
    return found.data[-1].id if found.has_more else ""


def _charge(found: Any) -> Charge:
    return Charge(
        id=found.id,
        intent=read_id(getattr(found, "payment_intent", None)),
        status=found.status,
        amount=found.amount_captured,
        refunded=found.amount_refunded,
        currency=found.currency.upper(),
        livemode=found.livemode,
        payment=read_metadata(found, "payment_id"),
        subscription=read_metadata(found, "subscription_id"),
        created_at=datetime.fromtimestamp(found.created, UTC),
    )


def read_metadata(found: Any, name: str) -> str:
    """One value of ours, empty where there is none; not all of Stripe's objects have metadata."""
    metadata = getattr(found, "metadata", None)
    return str((metadata.to_dict() if metadata else {}).get(name, ""))
