"""What a failure means: from the codes of Stripe and the card networks to fault, kind and a text.

Data, not code. The text is what the customer's e-mail says, so it must never tell a thief that a card was
reported stolen, nor blame the card for what is our own fault.
Source: Stripe's documentation, "Decline codes" and "Advice codes"; network advice codes as Stripe lists them.
"""

from dataclasses import dataclass
from typing import Literal

Fault = Literal["customer", "issuer", "us", "stripe"]
Kind = Literal["soft", "hard", "action"]


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """Whose fault a failure is, what can follow it, and what the customer may read."""

    fault: Fault
    kind: Kind
    text: str


DECLINED = "Your card was declined. Please use another card or contact your bank."
TRY_LATER = "Your bank could not process the payment. Please try again later."
NO_MONEY = "Your card was declined: not enough money. Top it up or use another card."
CHECK_CARD = "Your card was declined: its details are not valid. Please enter them again or use another card."
EXPIRED = "Your card has expired. Please use another card."
NOT_SUPPORTED = "Your card does not support this payment. Please use another card."
CONFIRM = "Your bank asks you to confirm the payment. Please open the shop and confirm it."
OUR_FAULT = "The payment could not be processed. Nothing was taken; you don't need to do anything about your card."
ADD_CARD = "Your saved card can't be charged any more. Please add a card."


# One line for all codes that mean the same.
_TABLE = (
    ("authentication_required authentication_not_handled", Meaning(fault="customer", kind="action", text=CONFIRM)),
    ("insufficient_funds card_velocity_exceeded withdrawal_count_limit_exceeded",
     Meaning(fault="customer", kind="soft", text=NO_MONEY)),
    ("expired_card", Meaning(fault="customer", kind="hard", text=EXPIRED)),
    ("incorrect_number incorrect_cvc incorrect_zip incorrect_address incorrect_pin invalid_number invalid_cvc "
     "invalid_expiry_month invalid_expiry_year invalid_account invalid_amount invalid_pin",
     Meaning(fault="customer", kind="hard", text=CHECK_CARD)),
    ("card_not_supported currency_not_supported transaction_not_allowed not_permitted",
     Meaning(fault="customer", kind="hard", text=NOT_SUPPORTED)),
    ("lost_card stolen_card pickup_card fraudulent merchant_blacklist highest_risk_level restricted_card "
     "security_violation stop_payment_order revocation_of_authorization revocation_of_all_authorizations",
     Meaning(fault="issuer", kind="hard", text=DECLINED)),
    ("processing_error issuer_not_available reenter_transaction try_again_later approve_with_id",
     Meaning(fault="issuer", kind="soft", text=TRY_LATER)),
    ("generic_decline do_not_honor call_issuer no_action_taken service_not_allowed card_declined",
     Meaning(fault="issuer", kind="soft", text=DECLINED)),
    ("amount_too_small amount_too_large invalid_request api_key_expired parameter_unknown parameter_missing "
     "parameter_invalid_integer", Meaning(fault="us", kind="soft", text=OUR_FAULT)),
    # Of a saved payment method that Stripe doesn't know, or that can't be used with this customer.
    ("resource_missing payment_method_unactivated payment_method_customer_mismatch",
     Meaning(fault="us", kind="hard", text=ADD_CARD)),
)  # fmt: skip
BY_CODE = {code: meaning for codes, meaning in _TABLE for code in codes.split()}

# What the networks say about trying again outranks the decline code.
# do_not_try_again and Mastercard's 03 and 21: never again with this card.
HARD_ADVICE = frozenset({"do_not_try_again"})
HARD_NETWORK_ADVICE = frozenset({"03", "21"})

# Stripe's own code beside the issuer's.
ANY_DECLINE = "card_declined"

UNKNOWN_DECLINE = Meaning(fault="issuer", kind="soft", text=DECLINED)
UNKNOWN_REJECTION = Meaning(fault="us", kind="soft", text=OUR_FAULT)


def meaning_of_decline(*, code: str, decline_code: str, advice_code: str, network_advice_code: str) -> Meaning:
    """What a 402 means. Precedence: network advice, advice, decline code, code; unknown codes are soft."""
    meaning = BY_CODE.get(decline_code) or BY_CODE.get(code) or UNKNOWN_DECLINE
    if network_advice_code in HARD_NETWORK_ADVICE or advice_code in HARD_ADVICE:
        return Meaning(fault=meaning.fault, kind="hard", text=DECLINED if meaning.kind == "action" else meaning.text)
    return meaning


def meaning_of_rejection(*, code: str) -> Meaning:
    """What a 400 or 404 means: never the customer's card's fault, unless the saved card is gone."""
    meaning = BY_CODE.get(code)
    return meaning if meaning and meaning.fault == "us" else UNKNOWN_REJECTION


def is_listed(*, code: str, decline_code: str) -> bool:
    """Whether the table knows any of these codes; one that it doesn't is worth a line in the log.

    With every decline of an issuer's Stripe says `card_declined`: beside a decline code that says nothing.
    """
    said_more = code != ANY_DECLINE or not decline_code
    return decline_code in BY_CODE or (code in BY_CODE and said_more)
