"""Money: a price as people write it to the integer of minor units that Stripe charges, and back.

Must never happen: rounding. A price with more decimals than its currency has is an error, as we can't know
which neighbour the customer agreed to. Floats don't come in here at all.
"""

from decimal import Context, Decimal, Inexact
from typing import Literal

PriceUnit = Literal["major", "minor"]

# Stripe's own table, which is what gets charged; ISO 4217 and Babel differ from it (for ISK, UGX, MGA, …).
# Source: Stripe's documentation, "Supported currencies".
ZERO_DECIMAL = frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split())
THREE_DECIMAL = frozenset("BHD JOD KWD OMR TND".split())
# Sent with two decimals that must be zero.
WHOLE_UNITS_ONLY = frozenset("ISK UGX".split())

# Twelve digits is the most that Stripe takes in any currency; where it takes fewer, it says so itself.
MAX_MINOR = 999_999_999_999

# Decimal's default context rounds silently beyond 28 digits; this one refuses.
_EXACT = Context(prec=50, traps=[Inexact])


class PriceInvalid(ValueError):
    """A price that can't be charged exactly; the text says why, for the person who sent it."""


def decimals(currency: str) -> int:
    """How many decimals Stripe's minor unit of this currency (upper case) has: 0, 2 or 3."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def to_minor(price: Decimal, *, currency: str, unit: PriceUnit) -> int:
    """The amount to charge, in minor units. Raises `PriceInvalid`, never rounds."""
    if not price.is_finite():
        raise PriceInvalid("must be a number")
    if price <= 0:
        raise PriceInvalid("must be greater than 0")
    if price.adjusted() > len(str(MAX_MINOR)):  # before any arithmetic, which would round beyond 28 digits
        raise PriceInvalid(f"must be at most {MAX_MINOR} in minor units")
    allowed = 0 if currency in WHOLE_UNITS_ONLY else decimals(currency)
    too_fine = PriceInvalid(f"has more decimals than {currency} allows ({allowed})")
    if unit == "minor":
        too_fine = PriceInvalid("must be a whole number, as prices come in minor units (PRICE_UNIT)")
    try:
        minor = _EXACT.scaleb(price, 0 if unit == "minor" else decimals(currency))
    except Inexact:
        raise too_fine from None
    if minor != minor.to_integral_value():
        raise too_fine
    if currency in WHOLE_UNITS_ONLY and minor % 100:
        raise PriceInvalid(f"must be a whole number of {currency}")
    if currency in THREE_DECIMAL and minor % 10:
        raise PriceInvalid(f"must end in 0 in the third decimal, as cards are charged in {currency}")
    if minor > MAX_MINOR:
        raise PriceInvalid(f"must be at most {MAX_MINOR} in minor units")
    return int(minor)


def to_price(minor: int, *, currency: str, unit: PriceUnit) -> Decimal:
    """The inverse of `to_minor`."""
    return Decimal(minor) if unit == "minor" else Decimal(minor).scaleb(-decimals(currency))


def as_json_number(price: Decimal) -> int | float:
    """The number that JSON carries for this price, exactly: 100, not 100.0; 99.9, not 99.90000000000001.

    A float holds any decimal of up to 15 digits and prints it back; a price has at most 12 + 3. Raises
    `PriceInvalid` for one that it would not print back.
    """
    if not price.is_finite():
        raise PriceInvalid("must be a number")
    if price == price.to_integral_value():
        return int(price)
    number = float(price)
    if Decimal(repr(number)) != price:
        raise PriceInvalid(f"{price} can't be written as a JSON number")
    return number


def for_people(minor: int, *, currency: str) -> str:
    """As staff read it: `1 234.50 KZT`, which never breaks over two lines."""
    price = to_price(minor, currency=currency, unit="major")
    places = 0 if currency in WHOLE_UNITS_ONLY else decimals(currency)
    return f"{price:,.{places}f} {currency}".replace(",", " ").replace(" ", "\N{NO-BREAK SPACE}")
