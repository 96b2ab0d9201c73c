"""What an event must hold: the fields of the contract, and the words for each that is wrong."""

import hashlib
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

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
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z]{3}", value):
        raise ValueError("must be a currency's three letters")
    return value.upper()


def _stripe_id(prefix: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        ours = isinstance(value, str) and value.startswith(f"{prefix}_")
        if not ours and isinstance(value, int | str) and has_card_number(str(value)):
            raise ValueError(f"is a card number, which must never be sent: send an id of Stripe's ({prefix}_…)")
        if not re.fullmatch(r"\w+", _text(value), re.ASCII):
            raise ValueError(f"must be an id of Stripe's ({prefix}_…)")
        return str(value)

    return check


class _User(BaseModel):
    model_config = ConfigDict(extra="allow")
    id: Annotated[str | int, BeforeValidator(_id)]
    email: Annotated[str, BeforeValidator(_text)]
    payment_method: Annotated[str, BeforeValidator(_stripe_id("pm"))] = Field(alias="paymentMethod")
    customer: Annotated[str, BeforeValidator(_stripe_id("cus"))] | None = None


class _Product(BaseModel):
    price: Annotated[Decimal, BeforeValidator(_price)]
    currency: Annotated[str, BeforeValidator(_currency)]


class _Event(BaseModel):
    subscription: Annotated[str | int, BeforeValidator(_id)] = Field(alias="subId")
    user: _User
    product: _Product


def decode(*, value: bytes | None, headers: Headers, price_unit: money.PriceUnit) -> PaymentRequest | Rejection:
    """Understand one record's value. Raises nothing that depends on the record."""
    try:
        parsed = parse(value)
        event = _validated(parsed)
        amount = money.to_minor(event.product.price, currency=event.product.currency, unit=price_unit)
        user = storable(parsed["user"])
    except NotUnderstood as error:
        return Rejection(reason=str(error))
    except money.PriceInvalid as error:
        return Rejection(reason=f"product.price: {error}")
    return PaymentRequest(
        subscription=str(event.subscription),
        subscription_as_sent=event.subscription,
        user_id=str(event.user.id),
        user_as_sent={name: value for name, value in user.items() if name != "paymentMethod"},
        email=event.user.email,
        price=event.product.price,
        amount=amount,
        currency=event.product.currency,
        payment_method=event.user.payment_method,
        customer=event.user.customer,
        event_id=_header(headers, "ce_id") or _header(headers, "event-id"),
        traceparent=_traceparent(headers),
    )


def _validated(parsed: dict[str, Any]) -> _Event:
    try:
        return _Event.model_validate(parsed)
    except ValidationError as error:
        raise NotUnderstood(diagnosis.why_not_event(parsed) or _reasons(error)) from None


def _reasons(error: ValidationError) -> str:
    found = []
    for problem in error.errors(include_input=False, include_url=False):
        field = ".".join(str(part) for part in problem["loc"])
        message = {
            "missing": "is missing",
            "model_type": "must be an object",
            "string_unicode": "contains half a character (a lone surrogate): send well-formed text",
            "model_attributes_type": "must be an object",
        }.get(problem["type"], problem["msg"].removeprefix("Value error, "))
        found.append(f"{field}: {message}")
    more = len(found) - MAX_REASONS
    return "; ".join(found[:MAX_REASONS]) + (f"; and {more} more" if more > 0 else "")


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
