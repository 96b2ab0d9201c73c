"""The event `payment.createInitial`: bytes to a `PaymentRequest`, or to a reason that a person understands.

Tolerant of what NestJS and its neighbours add (headers, unknown fields), strict about money: a price is parsed
as Decimal, never as float. A reason names the field and the fix, and never quotes a value, which may be personal.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from payments import money
from payments.intake import PaymentRequest, Rejection

Headers = tuple[tuple[str, bytes | None], ...]

# Longer ids are nobody's ids; PostgreSQL's index rows and Stripe's metadata have limits of their own.
MAX_ID = 255
MAX_REASONS = 3
# Far above any honest event, far below what exhausts the stack of whoever writes it out again.
MAX_DEPTH = 32

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
# What neither UTF-8 nor jsonb can hold.
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class NotUnderstood(ValueError):
    """The value isn't an event at all; the text says why."""


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
        event = _Event.model_validate(_parse(value, parse_float=_decimal))
        amount = money.to_minor(event.product.price, currency=event.product.currency, unit=price_unit)
        user = _parse(value, parse_float=float)["user"]
        _check_storable(user)
    except NotUnderstood as error:
        return Rejection(reason=str(error))
    except ValidationError as error:
        return Rejection(reason=_reasons(error))
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


def _parse(value: bytes | None, *, parse_float: Callable[[str], Any]) -> dict[str, Any]:
    if not value:
        raise NotUnderstood("value: is empty (a tombstone): send the event as a JSON object")
    if value.startswith(b"\xef\xbb\xbf"):
        raise NotUnderstood("value: starts with a byte order mark: send UTF-8 without it")
    try:
        parsed = json.loads(value.decode(), parse_float=parse_float, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise NotUnderstood("value: is not UTF-8 text: send JSON in UTF-8") from None
    except RecursionError:
        raise NotUnderstood("value: is nested too deeply: send the event as documented") from None
    except NotUnderstood:
        raise
    except json.JSONDecodeError as error:
        raise NotUnderstood(f"value: is not JSON (at character {error.pos}): send the event as a JSON object") from None
    except ValueError:
        raise NotUnderstood("value: has a number that is too long") from None
    if not isinstance(parsed, dict):
        raise NotUnderstood("value: must be a JSON object: { … }")
    return parsed


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise NotUnderstood("value: has a number that is out of range") from None


def _check_storable(user: dict[str, Any]) -> None:
    """What we keep of the user goes into jsonb and out again as JSON, unknown fields included."""
    level: list[Any] = [user]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += [*value.keys(), *value.values()]
            elif isinstance(value, list):
                below += value
            elif isinstance(value, str) and _UNSTORABLE.search(value):
                raise NotUnderstood("user: contains NUL or half a character (a lone surrogate): send well-formed text")
            elif isinstance(value, float) and not math.isfinite(value):
                raise NotUnderstood("user: has a number that is out of range")
        level = below
    if level:
        raise NotUnderstood("user: is nested too deeply: send the event as documented")


def _no_constant(name: str) -> Any:
    raise NotUnderstood(f"value: contains {name}, which is not JSON: send a number")


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
    value = next((value for key, value in headers if key == name and value), b"")
    text = value.decode("utf-8", "replace")
    if len(text) > MAX_ID or _UNPRINTABLE.search(text) or "\N{REPLACEMENT CHARACTER}" in text:
        # Still one id for one value: two events must not become one because their ids were cut.
        return "sha256:" + hashlib.sha256(value).hexdigest()
    return text


def _traceparent(headers: Headers) -> str:
    found = _header(headers, "traceparent")
    return found if _TRACEPARENT.fullmatch(found) else ""
