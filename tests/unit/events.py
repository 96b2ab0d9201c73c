"""Events `payment.createInitial` to decode: the contract's example, and whatever can be made of it."""

import json
from typing import Any

from bridge import schema
from payments.intake import PaymentRequest, Rejection
from payments.money import PriceUnit

EXAMPLE: dict[str, Any] = {
    "subId": "sub_1",
    "user": {"id": "u_1", "email": "a@b.kz", "paymentMethod": "pm_1"},
    "product": {"price": 100, "currency": "KZT"},
}
MISSING = object()


def event(**changes: Any) -> bytes:
    """The example with changes by path: `user__id=5`; `MISSING` takes a field away."""
    changed = json.loads(json.dumps(EXAMPLE))
    for path, value in changes.items():
        *parents, name = path.split("__")
        place = changed
        for parent in parents:
            place = place[parent]
        if value is MISSING:
            del place[name]
        else:
            place[name] = value
    return json.dumps(changed).encode()


def priced(literal: str, currency: str = "KZT") -> bytes:
    """The example with this price, letter for letter."""
    return event(product__currency=currency).replace(b'"price": 100', b'"price": ' + literal.encode())


def decode(
    value: bytes | None, headers: schema.Headers = (), price_unit: PriceUnit = "major"
) -> PaymentRequest | Rejection:
    """As the bridge does."""
    return schema.decode(value=value, headers=headers, price_unit=price_unit)


def understood(value: bytes, headers: schema.Headers = (), price_unit: PriceUnit = "major") -> PaymentRequest:
    """Decode what must be a request."""
    request = decode(value, headers, price_unit)
    assert isinstance(request, PaymentRequest), request
    return request


def reason(value: bytes | None, headers: schema.Headers = ()) -> str:
    """Decode what must be refused."""
    rejection = decode(value, headers)
    assert isinstance(rejection, Rejection), rejection
    return rejection.reason


def short(value: object) -> str:
    """A name for a test: long values are cut, as the name is printed, and put into the environment."""
    return ascii(value)[:50]
