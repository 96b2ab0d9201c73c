"""A price becomes the integer that Stripe charges, and comes back as it was: exactly, in every currency."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments import money
from payments.money import PriceUnit

# What Stripe charges in, by what its table says of each, written down a second time: a slip here is a customer
# who pays a hundredfold.
NO_DECIMALS = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split()
WHOLE_UNITS = "ISK UGX".split()
THREE_DECIMALS = "BHD JOD KWD OMR TND".split()
TWO_DECIMALS = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP
    CRC CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR JMD KES KGS
    KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB
    PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL THB TJS TOP TRY TTD TWD TZS
    UAH USD UYU UZS WST XCD YER ZAR ZMW
""".split()

# Currency, minor units of one whole unit, and the smallest price that a card can be charged.
TABLE = (
    [(currency, 1, Decimal("1")) for currency in NO_DECIMALS]
    + [(currency, 100, Decimal("1")) for currency in WHOLE_UNITS]
    + [(currency, 1000, Decimal("0.01")) for currency in THREE_DECIMALS]
    + [(currency, 100, Decimal("0.01")) for currency in TWO_DECIMALS]
)
FRACTION_OF_MINOR = "must be a whole number, as prices come in minor units (PRICE_UNIT)"
# The same examples each time, however slow the machine is.
examples = settings(derandomize=True, deadline=None, max_examples=200, database=None)
BY_CURRENCY = pytest.mark.parametrize(("currency", "per_unit", "smallest"), TABLE, ids=[row[0] for row in TABLE])


def prices(per_unit: int, smallest: Decimal) -> list[Decimal]:
    """Small, round, odd and huge ones, all chargeable."""
    most = int(Decimal(money.MAX_MINOR) / per_unit / smallest)
    return [smallest * times for times in (1, 3, 99, 100, 101, 12_345, 1_000_000, most // 7, most)]


@BY_CURRENCY
def test_one_whole_unit_is_as_many_minor_units_as_stripe_says(currency: str, per_unit: int, smallest: Decimal) -> None:
    """The decimals are Stripe's, also where ISO 4217 and Babel say something else."""
    assert money.to_minor(Decimal(1), currency=currency, unit="major") == per_unit
    assert money.to_minor(smallest, currency=currency, unit="major") == per_unit * smallest


@BY_CURRENCY
def test_a_price_in_major_units_comes_back_as_it_went_in(currency: str, per_unit: int, smallest: Decimal) -> None:
    """Converting there and back is the identity, from the smallest price to the largest."""
    for price in prices(per_unit, smallest):
        minor = money.to_minor(price, currency=currency, unit="major")
        assert minor == price * per_unit
        assert money.to_price(minor, currency=currency, unit="major") == price


@BY_CURRENCY
def test_a_price_in_minor_units_is_charged_as_it_stands(currency: str, per_unit: int, smallest: Decimal) -> None:
    """`PRICE_UNIT=minor`: nothing is multiplied, in either direction."""
    for price in prices(per_unit, smallest):
        minor = price * per_unit
        assert money.to_minor(minor, currency=currency, unit="minor") == minor
        assert money.to_price(int(minor), currency=currency, unit="minor") == minor


@examples
@given(st.integers(1, money.MAX_MINOR), st.sampled_from(["major", "minor"]))
def test_every_amount_that_can_be_charged_is_a_price_and_comes_back(number: int, unit: PriceUnit) -> None:
    """What we tell, read again, is what was charged: any amount of each currency, from the smallest to the largest."""
    for currency, per_unit, smallest in TABLE:
        step = int(per_unit * smallest)  # what comes in tens or hundreds only, rounded down to the next of them
        minor = max(step, number // step * step)
        price = money.to_price(minor, currency=currency, unit=unit)
        assert money.to_minor(price, currency=currency, unit=unit) == minor, currency
        assert money.to_minor(Decimal(str(money.as_json_number(price))), currency=currency, unit=unit) == minor


@BY_CURRENCY
def test_a_price_below_the_smallest_is_refused(currency: str, per_unit: int, smallest: Decimal) -> None:
    """A tenth of the smallest price is never rounded to it, nor added to a larger one."""
    for price in (smallest / 10, 1 + smallest / 10):
        with pytest.raises(money.PriceInvalid):
            money.to_minor(price, currency=currency, unit="major")


@pytest.mark.parametrize(
    ("price", "currency", "unit", "reason"),
    [
        ("100.001", "KZT", "major", "has more decimals than KZT allows (2)"),
        ("0.30000000000000004", "USD", "major", "has more decimals than USD allows (2)"),
        ("0.001", "USD", "major", "has more decimals than USD allows (2)"),
        ("100.5", "JPY", "major", "has more decimals than JPY allows (0)"),
        ("1.0001", "KWD", "major", "has more decimals than KWD allows (3)"),
        ("1.234", "KWD", "major", "must end in 0 in the third decimal, as cards are charged in KWD"),
        ("1234", "KWD", "minor", "must end in 0 in the third decimal, as cards are charged in KWD"),
        ("1.5", "UGX", "major", "must be a whole number of UGX"),
        ("1.001", "ISK", "major", "has more decimals than ISK allows (0)"),
        ("0.1", "UGX", "minor", FRACTION_OF_MINOR),
        ("150", "UGX", "minor", "must be a whole number of UGX"),
    ],
)
def test_a_price_with_too_many_decimals_is_refused_by_name(
    price: str, currency: str, unit: PriceUnit, reason: str
) -> None:
    """We can't know which neighbour the customer agreed to; the sender learns what is wrong."""
    with pytest.raises(money.PriceInvalid) as refused:
        money.to_minor(Decimal(price), currency=currency, unit=unit)
    assert str(refused.value) == reason


@pytest.mark.parametrize(
    "price", ["1.5", "0.001", "99.99", "1E-999999", "0." + "1" * 5000], ids=lambda price: price[:40]
)
@pytest.mark.parametrize("currency", ["KZT", "JPY", "KWD", "UGX"])
def test_a_fraction_of_a_minor_unit_is_refused(currency: str, price: str) -> None:
    """With `PRICE_UNIT=minor` there is nothing behind the point, and the sender learns which unit is meant."""
    with pytest.raises(money.PriceInvalid) as refused:
        money.to_minor(Decimal(price), currency=currency, unit="minor")
    assert str(refused.value) == FRACTION_OF_MINOR


@pytest.mark.parametrize("unit", ["major", "minor"])
@pytest.mark.parametrize(
    ("price", "reason"),
    [
        ("NaN", "must be a number"),
        ("sNaN", "must be a number"),
        ("Infinity", "must be a number"),
        ("-Infinity", "must be a number"),
        ("0", "must be greater than 0"),
        ("-0", "must be greater than 0"),
        ("0.00", "must be greater than 0"),
        ("-0.01", "must be greater than 0"),
        ("-1E+999999", "must be greater than 0"),
        ("1E+13", "must be at most 999999999999 in minor units"),
        ("1E+999999", "must be at most 999999999999 in minor units"),
        ("9" * 5000, "must be at most 999999999999 in minor units"),
    ],
    ids=lambda value: value[:40],
)
def test_what_is_not_a_chargeable_number_is_refused_by_name(price: str, unit: PriceUnit, reason: str) -> None:
    """Nothing that a `Decimal` can hold gets through, crashes or takes long."""
    with pytest.raises(money.PriceInvalid) as refused:
        money.to_minor(Decimal(price), currency="KZT", unit=unit)
    assert str(refused.value).startswith(reason)


@pytest.mark.parametrize(
    ("price", "currency", "unit"),
    [
        ("9999999999.99", "KZT", "major"),
        ("999999999999", "JPY", "major"),
        ("999999999.99", "KWD", "major"),
        ("999999999999", "KZT", "minor"),
    ],
)
def test_the_largest_amount_is_twelve_digits(price: str, currency: str, unit: PriceUnit) -> None:
    """The last amount that fits is charged to the cent, the next one is refused."""
    minor = money.to_minor(Decimal(price), currency=currency, unit=unit)
    assert money.MAX_MINOR - minor < 10
    with pytest.raises(money.PriceInvalid, match="must be at most 999999999999 in minor units"):
        money.to_minor(Decimal(price) + 1, currency=currency, unit=unit)


@pytest.mark.parametrize("price", ["1E-999999", "0." + "1" * 5000], ids=lambda price: price[:40])
def test_a_price_that_is_finer_than_anything_is_refused(price: str) -> None:
    """However many digits it has, and however small it is."""
    with pytest.raises(money.PriceInvalid) as refused:
        money.to_minor(Decimal(price), currency="KZT", unit="major")
    assert str(refused.value) == "has more decimals than KZT allows (2)"


def test_more_digits_than_decimal_computes_with_are_not_rounded_away() -> None:
    """Decimal's default context drops what is beyond 28 digits; a price that is wrong there is still refused."""
    zeros = "0" * 80
    assert money.to_minor(Decimal(f"100.{zeros}"), currency="KZT", unit="major") == 10_000
    with pytest.raises(money.PriceInvalid, match="has more decimals"):
        money.to_minor(Decimal(f"100.{zeros}1"), currency="KZT", unit="major")


@pytest.mark.parametrize(
    ("price", "text"),
    [
        ("100", "100"),
        ("100.000", "100"),
        ("1E+2", "100"),
        ("99.9", "99.9"),
        ("99.90", "99.9"),
        ("0.1", "0.1"),
        ("0.01", "0.01"),
        ("1.230", "1.23"),
        ("1234567.89", "1234567.89"),
        ("9999999999.99", "9999999999.99"),
        ("999999999.99", "999999999.99"),
        ("999999999999", "999999999999"),
    ],
)
def test_json_carries_the_price_exactly(price: str, text: str) -> None:
    """An integer without a point, a fraction without an error in the seventeenth digit."""
    assert json.dumps(money.as_json_number(Decimal(price))) == text


@pytest.mark.parametrize("currency", ["KZT", "JPY", "KWD", "UGX"])
def test_json_carries_every_amount_exactly(currency: str) -> None:
    """What a consumer reads is the price to the cent: tried all along the range, in steps of a large prime."""
    step = {"KWD": 10, "UGX": 100}.get(currency, 1)
    for minor in range(step, money.MAX_MINOR, 99_999_989 * step):
        price = money.to_price(minor, currency=currency, unit="major")
        assert Decimal(json.dumps(money.as_json_number(price))) == price


@pytest.mark.parametrize("price", ["0.1000000000000000055511151231257827", "123456789012345.678"])
def test_a_price_that_json_would_change_is_refused(price: str) -> None:
    """A float that doesn't print the price back is never sent."""
    with pytest.raises(money.PriceInvalid, match="can't be written as a JSON number"):
        money.as_json_number(Decimal(price))


@pytest.mark.parametrize("price", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_a_price_that_is_no_number_is_never_written(price: str) -> None:
    """JSON has no word for it: refused by name, not by whatever arithmetic raises."""
    with pytest.raises(money.PriceInvalid) as refused:
        money.as_json_number(Decimal(price))
    assert str(refused.value) == "must be a number"


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (123_450, "KZT", "1 234.50 KZT"),
        (1, "USD", "0.01 USD"),
        (100, "JPY", "100 JPY"),
        (500, "UGX", "5 UGX"),
        (1230, "KWD", "1.230 KWD"),
        (999_999_999_999, "JPY", "999 999 999 999 JPY"),
    ],
)
def test_staff_read_amounts_with_the_decimals_of_the_currency(minor: int, currency: str, text: str) -> None:
    """Grouped in threes, with all decimals and the currency's code, and never broken over two lines."""
    assert money.for_people(minor, currency=currency) == text.replace(" ", "\N{NO-BREAK SPACE}")
