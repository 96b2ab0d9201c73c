"""The event `payment.createInitial`: what is understood, and the exact words for what is not."""

import json
from decimal import Decimal
from typing import Any

import pytest

from payments.intake import PaymentRequest, Rejection
from tests.unit.events import MISSING, decode, event, priced, reason, short, understood

CARD = "{}: is a card number, which must never be sent: send an id of Stripe's ({}_…)"


def test_the_example_of_the_contract_is_understood() -> None:
    """Every field of the request, from the event that the README shows."""
    assert understood(event()) == PaymentRequest(
        subscription="sub_1",
        subscription_as_sent="sub_1",
        user_id="u_1",
        user_as_sent={"id": "u_1", "email": "a@b.kz"},
        email="a@b.kz",
        price=Decimal(100),
        amount=10_000,
        currency="KZT",
        payment_method="pm_1",
        customer=None,
    )


@pytest.mark.parametrize("sent", ["sub_1", "1", "  1", "Ж", "🙂", 1, 0, -1, 2**63, 10**254], ids=short)
def test_ids_are_texts_or_integers_and_stay_what_they_were(sent: str | int) -> None:
    """Compared as canonical text, sent on in the JSON type they came in, however large."""
    request = understood(event(subId=sent, user__id=sent))
    assert (request.subscription, request.user_id) == (str(sent), str(sent))
    assert (request.subscription_as_sent, request.user_as_sent["id"]) == (sent, sent)
    assert type(request.subscription_as_sent) is type(request.user_as_sent["id"]) is type(sent)


def test_two_spellings_of_one_wish_have_one_fingerprint() -> None:
    """`1` and `"1"`, `kzt` and `KZT`, `100` and `"100.00"` can't be charged twice."""
    plain = understood(event(subId=1, user__id=1))
    odd = understood(event(subId="1", user__id="1", product__currency="kzt", product__price="100.00"))
    assert plain.subscription == odd.subscription
    assert plain.fingerprint == odd.fingerprint == (10_000, "KZT", "1")


@pytest.mark.parametrize(
    ("literal", "price", "amount"),
    [
        ("100", "100", 10_000),
        ("100.00", "100.00", 10_000),
        ("99.99", "99.99", 9_999),
        ("0.1", "0.1", 10),
        ("0.07", "0.07", 7),
        ("1.1", "1.1", 110),
        ("4.35", "4.35", 435),  # 4.35 * 100 is 434.99999999999994 in floats
        ("1e2", "1E+2", 10_000),
        ("1.5E+3", "1.5E+3", 150_000),
        ("9999999999.99", "9999999999.99", 999_999_999_999),
        ('"100"', "100", 10_000),
        ('"99.99"', "99.99", 9_999),
        ('"4.35"', "4.35", 435),
        ('"1.5E+3"', "1.5E+3", 150_000),
    ],
)
def test_a_price_is_a_decimal_and_never_a_float(literal: str, price: str, amount: int) -> None:
    """A number or a numeric text, to the digit that was sent."""
    request = understood(priced(literal))
    assert (str(request.price), request.amount) == (price, amount)


@pytest.mark.parametrize(
    ("literal", "problem"),
    [
        ("0", "must be greater than 0"),
        ("-1", "must be greater than 0"),
        ("-0.0", "must be greater than 0"),
        ('"0"', "must be greater than 0"),
        ("100.001", "has more decimals than KZT allows (2)"),
        ("0.30000000000000004", "has more decimals than KZT allows (2)"),
        ("1e-5000", "has more decimals than KZT allows (2)"),
        ("10000000000", "must be at most 999999999999 in minor units"),
        ("1e5000", "must be at most 999999999999 in minor units"),
        ("9" * 4300, "must be at most 999999999999 in minor units"),
        ('"' + "9" * 5000 + '"', "must be at most 999999999999 in minor units"),
        ("true", "must be a number"),
        ("null", "must be a number"),
        ("[]", "must be a number"),
        ("{}", "must be a number"),
        ('""', "must be a number"),
        ('"abc"', "must be a number"),
        ('"100 KZT"', "must be a number"),
        ('"1,5"', "must be a number"),
        ('"\\ud800"', "must be a number"),
        ('"1e99999999999999999999"', "must be a number"),
        ('"-1"', "must be greater than 0"),
        ('"0e5"', "must be greater than 0"),
    ],
    ids=short,
)
def test_a_price_that_cannot_be_charged_is_named(literal: str, problem: str) -> None:
    """Never rounded, never guessed."""
    assert reason(priced(literal)) == f"product.price: {problem}"


@pytest.mark.parametrize(
    "text",
    [
        *("NaN", "sNaN", "Infinity", "-Infinity", "nan123"),
        *("1_000", "1_0.5", "1e1_0", "٣", "１００", "1E٣", " 100", "100 ", "100\n", "\t1"),
        *("+1", "1.", ".5", "1e", "1e99999"),
    ],
    ids=ascii,
)
def test_a_text_that_only_decimal_calls_a_number_is_refused(text: str) -> None:
    """`Decimal` reads underscores, spaces and every script's digits; a price as text is what JSON calls a number."""
    assert reason(event(product__price=text)) == "product.price: must be a number"


def test_prices_in_minor_units_are_taken_as_they_are() -> None:
    """`PRICE_UNIT=minor`: 100 is one tenge, and comes back as 100."""
    request = understood(event(), price_unit="minor")
    assert (request.price, request.amount) == (Decimal(100), 100)
    assert decode(priced("1.5"), price_unit="minor") == Rejection(
        reason="product.price: must be a whole number, as prices come in minor units (PRICE_UNIT)"
    )


@pytest.mark.parametrize(
    ("currency", "literal", "amount"), [("JPY", "100", 100), ("KWD", "1.23", 1230), ("UGX", "5", 500)]
)
def test_the_currency_decides_about_the_decimals(currency: str, literal: str, amount: int) -> None:
    """What Stripe charges, not what the number looks like."""
    assert understood(priced(literal, currency)).amount == amount


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"subId": MISSING}, "subId: is missing"),
        ({"user": MISSING}, "user: is missing"),
        ({"product": MISSING}, "product: is missing"),
        ({"user__id": MISSING}, "user.id: is missing"),
        ({"user__email": MISSING}, "user.email: is missing"),
        ({"user__paymentMethod": MISSING}, "user.paymentMethod: is missing"),
        ({"product__price": MISSING}, "product.price: is missing"),
        ({"product__currency": MISSING}, "product.currency: is missing"),
        ({"user": []}, "user: must be an object"),
        ({"user": "u_1"}, "user: must be an object"),
        ({"product": None}, "product: must be an object"),
        ({"subId": None}, "subId: must be text or an integer"),
        ({"subId": True}, "subId: must be text or an integer"),
        ({"subId": 1.0}, "subId: must be text or an integer"),
        ({"subId": ["sub_1"]}, "subId: must be text or an integer"),
        ({"subId": ""}, "subId: must not be empty"),
        ({"subId": " \t"}, "subId: must not be empty"),
        ({"subId": "x" * 256}, "subId: must have at most 255 characters"),
        ({"subId": 10**255}, "subId: must have at most 255 characters"),
        ({"subId": "a\x00b"}, "subId: must not contain control characters"),
        ({"subId": "a\nb"}, "subId: must not contain control characters"),
        ({"subId": "\ud800"}, "subId: must not contain control characters"),
        ({"user__id": {}}, "user.id: must be text or an integer"),
        ({"user__email": 5}, "user.email: must be text"),
        ({"user__email": ""}, "user.email: must not be empty"),
        ({"user__email": "a@b.kz\x00"}, "user.email: must not contain control characters"),
        ({"user__email": "\udfff@b.kz"}, "user.email: must not contain control characters"),
        ({"user__paymentMethod": None}, "user.paymentMethod: must be text"),
        ({"user__paymentMethod": ""}, "user.paymentMethod: must not be empty"),
        ({"user__paymentMethod": "pm_1/../cancel"}, "user.paymentMethod: must be an id of Stripe's (pm_…)"),
        ({"user__paymentMethod": "pm_é"}, "user.paymentMethod: must be an id of Stripe's (pm_…)"),
        ({"user__paymentMethod": "4242 4242 4242 4242"}, CARD.format("user.paymentMethod", "pm")),
        ({"user__paymentMethod": 4242424242424242}, CARD.format("user.paymentMethod", "pm")),
        ({"user__customer": "4242424242424242"}, CARD.format("user.customer", "cus")),
        ({"user__customer": 5}, "user.customer: must be text"),
        ({"user__customer": "cus 1"}, "user.customer: must be an id of Stripe's (cus_…)"),
        ({"product__currency": ""}, "product.currency: must be a currency's three letters"),
        ({"product__currency": "KZ"}, "product.currency: must be a currency's three letters"),
        ({"product__currency": "KZT "}, "product.currency: must be a currency's three letters"),
        ({"product__currency": "ΚΖΤ"}, "product.currency: must be a currency's three letters"),
        ({"product__currency": 398}, "product.currency: must be a currency's three letters"),
        (
            {"subId": MISSING, "product__price": "x", "product__currency": None},
            "subId: is missing; product.price: must be a number; "
            "product.currency: must be a currency's three letters",
        ),
        (
            {"subId": None, "user__id": None, "user__email": None, "product__price": None, "product__currency": None},
            "subId: must be text or an integer; user.id: must be text or an integer; user.email: must be text; "
            "and 2 more",
        ),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_with_what_it_must_be(changes: dict[str, Any], expected: str) -> None:
    """The sender's path, the rule, at most three of them."""
    assert reason(event(**changes)) == expected


@pytest.mark.parametrize("canary", ["4242424242424242", "canary@example.kz", "sk_live_canary"])
def test_a_reason_never_quotes_what_was_sent(canary: str) -> None:
    """It is read by people who may not see personal data."""
    wrong = [
        event(subId=[canary], user__id={canary: 1}, product__price=canary),
        event(user__email=[canary], user__paymentMethod=f"{canary} {canary}", product__currency=canary),
        event(user__customer=f"{canary}-", user=canary),
        canary.encode(),
        f"[{json.dumps(canary)}]".encode(),
        f"{{{json.dumps(canary)}}}".encode(),
    ]
    assert [canary in reason(value) for value in wrong] == [False] * len(wrong)
