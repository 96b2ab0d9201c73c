"""What an event must hold: the fields of the contract, and the words for each that is wrong."""

import hashlib
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

from bridge.schema import diagnosis
from bridge.schema.diagnosis import NotUnderstood
from bridge.schema.parsing import parse, storable
from payments import money
from payments.intake import Headers, PaymentRequest, Rejection, has_card_number

# Longer ids are nobody's ids; PostgreSQL's index rows and Stripe's metadata have limits of their own.
MAX_ID = 255
MAX_REASONS = 3

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?")
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_WORD = re.compile(r"\w+", re.ASCII)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    if not value.strip():
        raise ValueError("must not be empty")
    if len(value) > MAX_ID:
        raise ValueError(f"must have at most {MAX_ID} characters")
    if _UNPRINTABLE.search(value):
        raise ValueError("must not contain control characters")
    return value


def _id(value: Any) -> str | int:
    if isinstance(value, int) and not isinstance(value, bool):
        _text(str(value))
        return value
    if not isinstance(value, str):
        raise ValueError("must be text or an integer")
    return _text(value)


def _price(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise ValueError("must be a number")
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise ValueError("must be a number")
    return Decimal(value)


def _currency(value: Any) -> str:
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise ValueError("must be a currency's three letters")
    return value.upper()


def _stripe_id(prefix: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        ours = isinstance(value, str) and value.startswith(f"{prefix}_")
        if not ours and isinstance(value, int | str) and has_card_number(str(value)):
            raise ValueError(f"is a card number, which must never be sent: send an id of Stripe's ({prefix}_…)")
        if not _WORD.fullmatch(_text(value)):
            raise ValueError(f"must be an id of Stripe's ({prefix}_…)")
        return str(value)

    return check


class _Field(NamedTuple):
    """A field of the contract: within which object it stands (empty: the event itself), and what it must be."""

    inside: str
    name: str
    check: Callable[[Any], Any]
    optional: bool = False


# In the order of `_Event`, and of the reasons.
_FIELDS = (
    _Field("", "subId", _id),
    _Field("user", "id", _id),
    _Field("user", "email", _text),
    _Field("user", "paymentMethod", _stripe_id("pm")),
    _Field("user", "customer", _stripe_id("cus"), optional=True),
    _Field("product", "price", _price),
    _Field("product", "currency", _currency),
)


class _Event(NamedTuple):
    subscription: str | int
    user: str | int
    email: str
    payment_method: str
    customer: str | None
    price: Decimal
    currency: str


def decode(*, value: bytes | None, headers: Headers, price_unit: money.PriceUnit) -> PaymentRequest | Rejection:
    """Understand one record's value. Raises nothing that depends on the record."""
    try:
        parsed = parse(value)
        event = _checked(parsed)
        amount = money.to_minor(event.price, currency=event.currency, unit=price_unit)
        user = storable(parsed["user"])
    except NotUnderstood as error:
        return Rejection(reason=str(error))
    except money.PriceInvalid as error:
        return Rejection(reason=f"product.price: {error}")
    user.pop("paymentMethod")
    return PaymentRequest(
        subscription=str(event.subscription),
        subscription_as_sent=event.subscription,
        user_id=str(event.user),
        user_as_sent=user,
        email=event.email,
        price=event.price,
        amount=amount,
        currency=event.currency,
        payment_method=event.payment_method,
        customer=event.customer,
        event_id=_header(headers, "ce_id") or _header(headers, "event-id"),
        traceparent=_traceparent(headers),
    )


def _checked(parsed: dict[str, Any]) -> _Event:
    """The fields of the contract, each as it is used. Raises `NotUnderstood` with what is wrong with all of them."""
    found: list[Any] = []
    reasons: list[str] = []
    for inside, name, check, optional in _FIELDS:
        holder = parsed.get(inside) if inside else parsed
        if not isinstance(holder, dict):
            reasons.append(f"{inside}: must be an object" if inside in parsed else f"{inside}: is missing")
            continue
        value = holder.get(name)
        if value is None and (optional or name not in holder):
            if not optional:
                reasons.append(f"{_path(inside, name)}: is missing")
            found.append(None)
            continue
        try:
            found.append(check(value))
        except ValueError as error:
            reasons.append(f"{_path(inside, name)}: {error}")
    if reasons:
        raise NotUnderstood(diagnosis.why_not_event(parsed) or _told(list(dict.fromkeys(reasons))))
    return _Event(*found)


def _path(inside: str, name: str) -> str:
    return f"{inside}.{name}" if inside else name


def _told(reasons: list[str]) -> str:
    more = len(reasons) - MAX_REASONS
    return "; ".join(reasons[:MAX_REASONS]) + (f"; and {more} more" if more > 0 else "")


def _header(headers: Headers, name: str) -> str:
    if not headers:
        return ""
    value = next((value for key, value in headers if key == name and value), b"")
    text = value.decode("utf-8", "replace")
    if len(text) > MAX_ID or _UNPRINTABLE.search(text) or "\N{REPLACEMENT CHARACTER}" in text:
        # Still one id for one value: two events must not become one because their ids were cut.
        return "sha256:" + hashlib.sha256(value).hexdigest()
    return text


def _traceparent(headers: Headers) -> str:
    found = _header(headers, "traceparent")
    return found if _TRACEPARENT.fullmatch(found) else ""
