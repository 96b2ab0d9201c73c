"""Test payment methods: Stripe's documented ones, and what a charge on each does. Data, hardly any code.

Sources: Stripe's testing page (ids, brands, last digits, outcomes); advice codes as its sandbox gives them.
Network decline codes are ISO 8583's for the same reason where the sandbox's is not published.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Literal

DECLINED = "Your card was declined."


# What becomes of a refund to the card: money at once, money later, money that comes home again, or none.
Returns = Literal["succeeded", "pending", "fails_later", "fails"]


@dataclass(frozen=True, slots=True)
class Success:
    """The charge succeeds. `disputed_as`: the customer disputes it at once, for this reason."""

    risk_level: str = "normal"
    returns: Returns = "succeeded"
    disputed_as: str | None = None
    inquiry: bool = False


@dataclass(frozen=True, slots=True)
class Decline:
    """The charge fails: 402 with these codes. `blocked` is Radar's refusal, not the bank's."""

    decline_code: str
    code: str = "card_declined"
    message: str = DECLINED
    advice_code: str | None = None
    network_advice_code: str | None = None
    network_decline_code: str | None = None
    param: str | None = None
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Authentication:
    """The customer must authenticate, then `then` happens.

    Off session nobody can, so the charge is declined, unless the card was `set_up` for off-session use.
    """

    then: Success | Decline = Success()
    set_up: bool = False


@dataclass(frozen=True, slots=True)
class Processing:
    """The bank takes its time, then `then` happens. No documented card does this."""

    then: Success | Decline = Success()


Behaviour = Success | Decline | Authentication | Processing


@dataclass(frozen=True, slots=True)
class Card:
    """`saves`: whether the card can be attached to a customer. Stripe tries a card when it is attached, so
    of those that decline only `chargeCustomerFail` passes."""

    brand: str
    last4: str
    country: str = "US"
    funding: str = "credit"
    saves: bool = True


GENERIC = Decline("generic_decline", advice_code="try_again_later", network_decline_code="01")
INSUFFICIENT_FUNDS = Decline(
    "insufficient_funds",
    message="Your card has insufficient funds.",
    advice_code="try_again_later",
    network_decline_code="51",
)
FRAUDULENT = Decline("fraudulent", blocked=True)
PROCESSING_ERROR = Decline(
    "processing_error",
    code="processing_error",
    message="An error occurred while processing your card. Try again in a little bit.",
    advice_code="try_again_later",
)
AUTHENTICATION_REQUIRED = Decline(
    "authentication_required",
    code="authentication_required",
    message="Your card was declined. This transaction requires authentication.",
)
AUTHENTICATION_NOT_HANDLED = replace(
    AUTHENTICATION_REQUIRED,
    decline_code="authentication_not_handled",
    message="This payment required an authentication action to complete, but `error_on_requires_action` was set.",
)

# Ids after `pm_card_` or `tok_` -> the card and what a charge on it does.
_VISA = Card("visa", "4242")
_SUCCEED = {
    "visa": _VISA,
    "visa_debit": Card("visa", "5556", funding="debit"),
    "mastercard": Card("mastercard", "4444"),
    "mastercard_debit": Card("mastercard", "8210", funding="debit"),
    "mastercard_prepaid": Card("mastercard", "5100", funding="prepaid"),
    "amex": Card("amex", "8431"),
    "discover": Card("discover", "1117"),
    "diners": Card("diners", "0004"),
    "jcb": Card("jcb", "0505", country="JP"),
    "unionpay": Card("unionpay", "0005", country="CN"),
    "threeDSecureOptional": Card("visa", "3055"),
    "threeDSecureOptionalProcessingError": Card("visa", "3097"),
    "amex_threeDSecureNotSupported": Card("amex", "0005"),
    "bypassPending": Card("visa", "0077"),
    "bypassPendingInternational": Card("visa", "0278", country="IE"),
    "domesticPricing": Card("visa", "0093"),
    "avsFail": Card("visa", "0010"),
    "avsLine1Fail": Card("visa", "0028"),
    "avsZipFail": Card("visa", "0036"),
    "avsUnchecked": Card("visa", "0044"),
    "cvcCheckFail": Card("visa", "0101"),
    "riskLevelElevated": Card("visa", "9235"),
    # Succeed too, and what follows stands in `_SPECIAL`.
    "createDispute": Card("visa", "0259"),
    "createDisputeProductNotReceived": Card("visa", "2685"),
    "createDisputeInquiry": Card("visa", "1976"),
    "pendingRefund": Card("visa", "7726"),
    "refundFail": Card("visa", "5126"),
}
_COUNTRIES = (
    "us:4242 ar:0021 br:0002 ca:0000 cl:0001 co:0003 cr:0005 ec:0000 mx:8001 pa:0000 py:0066 pe:0068 uy:0003 "
    "ae:0001 at:0008 be:0004 bg:0000 by:0005 hr:0009 cy:0008 cz:0002 dk:0001 ee:0009 fi:0001 fr:0003 de:0016 "
    "gi:0005 gr:0030 hu:0005 ie:0005 it:0008 lv:0005 li:0004 lt:0000 lu:0006 mt:0007 nl:0002 no:0007 pl:0005 "
    "pt:0007 ro:0001 sa:0007 si:0006 sk:0001 es:0007 se:0008 ch:0009 gb:0000 au:0006 cn:0002 hk:0004 in:0008 "
    "jp:0003 my:0002 nz:0008 sg:0003 tw:0008 th:0003"
)
# With and without `visa_`: older and newer spellings of the same method.
_DECLINES = {
    "": ("0002", GENERIC),
    "InsufficientFunds": ("9995", INSUFFICIENT_FUNDS),
    "LostCard": ("9987", Decline("lost_card", advice_code="do_not_try_again", network_decline_code="41")),
    "StolenCard": ("9979", Decline("stolen_card", advice_code="do_not_try_again", network_decline_code="43")),
    "ExpiredCard": (
        "0069",
        Decline(
            "expired_card",
            code="expired_card",
            message="Your card has expired.",
            param="exp_month",
            advice_code="confirm_card_data",
            network_decline_code="54",
        ),
    ),
    "IncorrectCvc": (
        "0127",
        Decline(
            "incorrect_cvc",
            code="incorrect_cvc",
            message="Your card's security code is incorrect.",
            param="cvc",
            advice_code="confirm_card_data",
        ),
    ),
    "ProcessingError": ("0119", PROCESSING_ERROR),
    "Fraudulent": ("0019", FRAUDULENT),
    "VelocityLimitExceeded": (
        "6975",
        Decline(
            "card_velocity_exceeded",
            message="Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
            advice_code="try_again_later",
        ),
    ),
}
_SPECIAL: dict[str, tuple[Card, Behaviour]] = {
    "riskLevelElevated": (_SUCCEED["riskLevelElevated"], Success(risk_level="elevated")),
    "createDispute": (_SUCCEED["createDispute"], Success(disputed_as="fraudulent")),
    "createDisputeProductNotReceived": (
        _SUCCEED["createDisputeProductNotReceived"],
        Success(disputed_as="product_not_received"),
    ),
    "createDisputeInquiry": (_SUCCEED["createDisputeInquiry"], Success(disputed_as="fraudulent", inquiry=True)),
    "pendingRefund": (_SUCCEED["pendingRefund"], Success(returns="pending")),
    "refundFail": (_SUCCEED["refundFail"], Success(returns="fails_later")),
    "chargeCustomerFail": (Card("visa", "0341"), GENERIC),
    "radarBlock": (Card("visa", "0019", saves=False), FRAUDULENT),
    "riskLevelHighest": (Card("visa", "4954", saves=False), FRAUDULENT),
    "authenticationRequired": (Card("visa", "3184"), Authentication()),
    "authenticationRequiredOnSetup": (Card("visa", "3155"), Authentication()),
    "authenticationRequiredSetupForOffSession": (Card("visa", "0446"), Authentication(set_up=True)),
    "authenticationRequiredChargeDeclinedInsufficientFunds": (
        Card("visa", "3178"),
        Authentication(then=INSUFFICIENT_FUNDS),
    ),
    "threeDSecure2Required": (Card("visa", "3220"), Authentication()),
    "threeDSecureRequired": (Card("visa", "3063"), Authentication()),
    "threeDSecureRequiredChargeDeclined": (Card("visa", "1629"), Authentication(then=GENERIC)),
    "threeDSecureRequiredProcessingError": (Card("visa", "1280"), GENERIC),
}

KNOWN: dict[str, tuple[Card, Behaviour]] = {
    **{name: (card, Success()) for name, card in _SUCCEED.items()},
    **{
        country: (Card("visa", last4, country=country.upper()), Success())
        for country, _, last4 in (row.partition(":") for row in _COUNTRIES.split())
    },
    **{
        f"{brand}chargeDeclined{reason}": (Card("visa", last4, saves=False), decline)
        for reason, (last4, decline) in _DECLINES.items()
        for brand in ("", "visa_")
    },
    **_SPECIAL,
}


def find_known(identifier: str, *, prefix: Literal["pm_card_", "tok_"]) -> tuple[Card, Behaviour] | None:
    """Return a documented test method (`pm_card_visa`) or token (`tok_visa`), or None."""
    if not identifier.startswith(prefix):
        return None
    return KNOWN.get(identifier.removeprefix(prefix).removeprefix("card_"))


def fingerprint_of(text: str) -> str:
    """Return 16 characters that stand for a card number: same number, same fingerprint."""
    return hashlib.sha256(f"fingerprint:{text}".encode()).hexdigest()[:16]
