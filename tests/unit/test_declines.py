"""What a failure means: whose fault, what can follow, and what the customer may read."""

import re

import pytest

from payments import declines
from payments.declines import Kind, Meaning

ACTION = "authentication_required authentication_not_handled".split()
HARD = """
    incorrect_number lost_card pickup_card stolen_card revocation_of_authorization revocation_of_all_authorizations
    highest_risk_level transaction_not_allowed expired_card invalid_account card_not_supported
    currency_not_supported fraudulent merchant_blacklist security_violation stop_payment_order restricted_card
    not_permitted invalid_number invalid_cvc invalid_expiry_month invalid_expiry_year invalid_pin invalid_amount
    incorrect_cvc incorrect_zip incorrect_address incorrect_pin
""".split()
SOFT = """
    processing_error issuer_not_available reenter_transaction try_again_later approve_with_id insufficient_funds
    card_velocity_exceeded withdrawal_count_limit_exceeded generic_decline do_not_honor call_issuer no_action_taken
    service_not_allowed
""".split()
OURS = "amount_too_small amount_too_large invalid_request".split()

LISTED: list[tuple[str, Kind]] = (
    [(code, "action") for code in ACTION] + [(code, "hard") for code in HARD] + [(code, "soft") for code in SOFT]
)
# A thief who holds the card must not learn these from our e-mail.
SECRET = "lost_card stolen_card pickup_card fraudulent merchant_blacklist".split()
BETRAYING = re.compile(r"lost|stolen|steal|theft|fraud|pick.?up|black.?list|suspic|risk|restrict|secur|report", re.I)


def every_meaning() -> list[Meaning]:
    """All that a customer may ever be told."""
    return [*declines.BY_CODE.values(), declines.UNKNOWN_DECLINE, declines.UNKNOWN_REJECTION]


def meaning_of(*, code: str, decline_code: str = "", advice_code: str = "", network_advice_code: str = "") -> Meaning:
    """Of a decline of which Stripe gives these codes, and no others."""
    return declines.meaning_of_decline(
        code=code, decline_code=decline_code, advice_code=advice_code, network_advice_code=network_advice_code
    )


@pytest.mark.parametrize(("code", "kind"), LISTED, ids=[code for code, _ in LISTED])
def test_every_documented_decline_code_has_its_kind(code: str, kind: Kind) -> None:
    """As the issuer's decline code and as Stripe's own code alike."""
    assert declines.BY_CODE[code].kind == kind
    assert meaning_of(code="card_declined", decline_code=code).kind == kind
    assert meaning_of(code=code).kind == kind
    assert declines.is_listed(code="card_declined", decline_code=code)


@pytest.mark.parametrize("code", OURS)
def test_what_is_our_own_fault_is_never_the_customers(code: str) -> None:
    """Neither in the books nor in the text: their card is fine."""
    meaning = meaning_of(code=code)
    assert (meaning.fault, meaning.kind, meaning.text) == ("us", "soft", declines.OUR_FAULT)
    assert declines.meaning_of_rejection(code=code) == meaning


@pytest.mark.parametrize(
    ("code", "decline_code", "advice_code", "network_advice_code", "kind"),
    [
        # nothing but Stripe's code
        ("card_declined", "", "", "", "soft"),
        ("expired_card", "", "", "", "hard"),
        # the issuer's decline code outranks it, if the table knows it
        ("card_declined", "expired_card", "", "", "hard"),
        ("expired_card", "insufficient_funds", "", "", "soft"),
        ("card_declined", "authentication_required", "", "", "action"),
        ("expired_card", "a_code_from_next_year", "", "", "hard"),
        # Stripe's advice outranks the decline code
        ("card_declined", "insufficient_funds", "do_not_try_again", "", "hard"),
        ("card_declined", "generic_decline", "do_not_try_again", "", "hard"),
        ("card_declined", "insufficient_funds", "try_again_later", "", "soft"),
        ("card_declined", "insufficient_funds", "confirm_card_data", "", "soft"),
        ("card_declined", "authentication_required", "do_not_try_again", "", "hard"),
        ("authentication_required", "", "do_not_try_again", "", "hard"),
        ("card_declined", "authentication_required", "try_again_later", "", "action"),
        # the network's advice outranks all
        ("card_declined", "insufficient_funds", "", "03", "hard"),
        ("card_declined", "insufficient_funds", "", "21", "hard"),
        ("card_declined", "insufficient_funds", "try_again_later", "03", "hard"),
        ("card_declined", "a_code_from_next_year", "try_again_later", "21", "hard"),
        ("card_declined", "authentication_required", "", "03", "hard"),
        ("card_declined", "authentication_not_handled", "", "21", "hard"),
        ("authentication_required", "", "", "03", "hard"),
        ("card_declined", "authentication_required", "", "02", "action"),
        ("card_declined", "insufficient_funds", "", "02", "soft"),
        ("card_declined", "insufficient_funds", "", "99", "soft"),
        ("card_declined", "expired_card", "do_not_try_again", "03", "hard"),
    ],
)
def test_advice_outranks_the_decline_code_and_that_the_code(
    code: str, decline_code: str, advice_code: str, network_advice_code: str, kind: Kind
) -> None:
    """Network advice, advice, decline code, code: the first that says something counts."""
    meaning = meaning_of(
        code=code, decline_code=decline_code, advice_code=advice_code, network_advice_code=network_advice_code
    )
    assert meaning.kind == kind


def test_advice_changes_what_can_follow_and_not_what_the_customer_reads() -> None:
    """A card without money that may not be tried again is still a card without money."""
    soft = meaning_of(code="card_declined", decline_code="insufficient_funds")
    hard = meaning_of(code="card_declined", decline_code="insufficient_funds", advice_code="do_not_try_again")
    assert (soft.kind, hard.kind) == ("soft", "hard")
    assert (hard.fault, hard.text) == (soft.fault, soft.text) == ("customer", declines.NO_MONEY)


@pytest.mark.parametrize("code", ["", "a_code_from_next_year", "HARD", "None"])
def test_an_unknown_code_is_a_soft_decline_that_says_only_declined(code: str) -> None:
    """The networks invent codes; none of them may stop a customer for good or tell them a story."""
    meaning = meaning_of(code=code, decline_code=code)
    assert meaning == Meaning(fault="issuer", kind="soft", text=declines.DECLINED)
    assert not declines.is_listed(code=code, decline_code=code)


@pytest.mark.parametrize("code", ["", "a_code_from_next_year", "parameter_unknown"])
def test_an_unknown_rejection_is_our_fault(code: str) -> None:
    """Stripe didn't understand us; the customer is never told that their card failed for it."""
    assert declines.meaning_of_rejection(code=code) == Meaning(fault="us", kind="soft", text=declines.OUR_FAULT)


@pytest.mark.parametrize("code", [*(code for code, _ in LISTED), "card_declined"])
def test_a_rejection_never_blames_the_card(code: str) -> None:
    """No bank has said anything, so what the same code says of a decline is not true of a rejection."""
    assert meaning_of(code=code).fault != "us"
    assert declines.meaning_of_rejection(code=code) == declines.UNKNOWN_REJECTION


@pytest.mark.parametrize("code", ["resource_missing", "payment_method_unactivated", "payment_method_customer_mismatch"])
def test_a_saved_card_that_cannot_be_used_any_more_needs_another_one(code: str) -> None:
    """The one rejection that the customer can do something about."""
    meaning = declines.meaning_of_rejection(code=code)
    assert (meaning.fault, meaning.kind, meaning.text) == ("us", "hard", declines.ADD_CARD)


@pytest.mark.parametrize("code", SECRET)
def test_a_thief_reads_the_same_as_everybody_else(code: str) -> None:
    """Lost, stolen and fraudulent can't be told from a plain decline."""
    plain = meaning_of(code="card_declined", decline_code="generic_decline")
    assert meaning_of(code="card_declined", decline_code=code).text == plain.text == declines.DECLINED


def test_no_text_for_customers_betrays_what_the_bank_knows() -> None:
    """Whatever the code, advice included."""
    assert [meaning.text for meaning in every_meaning() if BETRAYING.search(meaning.text)] == []


def test_no_text_for_customers_shows_a_code() -> None:
    """They are sentences for people: no snake_case, no empty ones, a full stop at the end."""
    for meaning in every_meaning():
        assert re.fullmatch(r"[A-Z][^_]+\.", meaning.text), meaning.text


def test_only_our_own_fault_leaves_the_card_out_of_it() -> None:
    """`us` never says declined: the customer would call a bank that knows nothing."""
    for meaning in every_meaning():
        assert (meaning.fault == "us") == (meaning.text in {declines.OUR_FAULT, declines.ADD_CARD})


@pytest.mark.parametrize("advice", [{"advice_code": "do_not_try_again"}, {"network_advice_code": "03"}])
def test_a_card_that_may_not_be_tried_again_is_not_to_be_confirmed_either(advice: dict[str, str]) -> None:
    """Whoever is asked to confirm, and may not, would confirm in vain."""
    meaning = meaning_of(code="card_declined", decline_code="authentication_required", **advice)
    assert meaning == Meaning(fault="customer", kind="hard", text=declines.DECLINED)


@pytest.mark.parametrize(
    ("code", "decline_code"), [("card_declined", ""), ("new", "lost_card"), ("expired_card", "new")]
)
def test_one_code_that_is_listed_is_enough(code: str, decline_code: str) -> None:
    """The log speaks only of what the table knows nothing of."""
    assert declines.is_listed(code=code, decline_code=decline_code)


def test_a_new_decline_code_is_not_hidden_by_the_code_that_stands_beside_each() -> None:
    """Or nobody would ever hear of one: an issuer's decline is always `card_declined`, too."""
    assert not declines.is_listed(code="card_declined", decline_code="a_code_from_next_year")
