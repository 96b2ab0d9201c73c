"""Why money was not taken, more precisely than the customer may read it, and what the customer can do about it.

Must never happen: that staff tell a thief that the card was reported stolen. So each line says whether its reason is
for staff alone. What each code means for the machine stands in `declines`; here it only gets words.
Source: Stripe's documentation, "Decline codes", and the codes of `retry_policy`.
"""

from dataclasses import dataclass
from typing import Literal

from django.utils.functional import Promise
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

By = Literal["bank", "stripe", "us"]
Text = str | Promise


@dataclass(frozen=True, kw_only=True)
class Decline:
    """Who said no, why (goes after a colon), what the customer can do, and whether the reason is for staff alone."""

    by: By
    reason: str
    customer: str
    secret: bool = False


_ANOTHER_CARD = _("Use another card.")
_ENTER_AGAIN = _("Enter the card again in the shop, or use another card.")
_ADD_CARD = _("Add a card in the shop: the saved one can't be charged any more.")
_CALL_BANK = _("Call the bank and ask it to allow the payment, or use another card.")
_LATER = _("Nothing: it can be tried again in a few minutes.")
_NOTHING = _("Nothing: it is not about the card. An engineer must look first.")
_CONFIRM = _("Open the shop and confirm the payment with the bank (a code by SMS, or the bank's app).")
_LIMIT = _("Wait a day, have the bank raise the limit, or use another card.")

# code(s), who says no, why, what the customer can do
_TABLE: tuple[tuple[str, By, Text, Text], ...] = (
    ("authentication_required authentication_not_handled", "bank",
     _("the bank wants the customer to confirm the payment"), _CONFIRM),
    ("insufficient_funds", "bank",
     pgettext_lazy("decline", "not enough money"), _("Put money on the card, or use another card.")),
    ("card_velocity_exceeded", "bank",
     _("the card's limit of payments or of money for a time is used up"), _LIMIT),
    ("withdrawal_count_limit_exceeded", "bank", _("the card was used as often as its limit allows"), _LIMIT),
    ("expired_card", "bank", _("the card has expired"), _("Add the new card in the shop.")),
    ("incorrect_number invalid_number", "bank", _("the card number is wrong"), _ENTER_AGAIN),
    ("incorrect_cvc invalid_cvc", "bank", _("the card's security code (CVC) is wrong"), _ENTER_AGAIN),
    ("incorrect_zip incorrect_address", "bank", _("the address is not the one that the bank knows"), _ENTER_AGAIN),
    ("incorrect_pin invalid_pin offline_pin_required online_or_offline_pin_required pin_try_exceeded", "bank",
     _("the bank wants the card's PIN, which can't be given here"), _ANOTHER_CARD),
    ("invalid_expiry_month invalid_expiry_year", "bank", _("the card's expiry date is wrong"), _ENTER_AGAIN),
    ("invalid_account new_account_information_available", "bank",
     _("the card, or the account behind it, is not valid any more"), _CALL_BANK),
    ("invalid_amount", "bank", _("the bank does not allow this amount with this card"), _CALL_BANK),
    ("card_not_supported", "bank", _("the card is not for payments of this kind, often: not for the internet"),
     _("Ask the bank to allow payments on the internet, or use another card.")),
    ("currency_not_supported", "bank", _("the card can't pay in this currency"), _ANOTHER_CARD),
    ("transaction_not_allowed not_permitted service_not_allowed", "bank",
     _("the bank does not allow this payment with this card"), _CALL_BANK),
    ("stop_payment_order revocation_of_authorization revocation_of_all_authorizations", "bank",
     _("the customer has told the bank to stop such payments"),
     _("Ask whether they still want to pay: then the bank must lift the stop, or another card is used.")),
    ("processing_error", "bank", _("the bank or the card network had a fault"), _LATER),
    ("issuer_not_available", "bank", _("the bank could not be reached"), _LATER),
    ("reenter_transaction try_again_later approve_with_id", "bank", _("the bank asks to try again later"), _LATER),
    ("generic_decline no_action_taken card_declined", "bank", _("the bank gives no reason"), _CALL_BANK),
    ("do_not_honor", "bank", _("the bank refuses without saying why"), _CALL_BANK),
    ("call_issuer", "bank", _("the bank wants the customer to call it"), _CALL_BANK),
    ("do_not_try_again", "bank", _("the bank says that this card must not be tried again"), _ANOTHER_CARD),
    ("testmode_decline", "bank", _("a test card was used with a live key"), _ANOTHER_CARD),
    ("amount_too_small", "us", _("the amount is less than Stripe takes in this currency"), _NOTHING),
    ("amount_too_large", "us", _("the amount is more than Stripe takes in this currency"), _NOTHING),
    ("invalid_request parameter_unknown parameter_missing parameter_invalid_integer", "us",
     _("Stripe does not understand our request"), _NOTHING),
    ("api_key_expired", "us", _("our key at Stripe has expired"), _NOTHING),
    ("resource_missing", "us", _("Stripe does not have the saved card"), _ADD_CARD),
    ("payment_method_unactivated", "us", _("the saved card was never activated at Stripe"), _ADD_CARD),
    ("payment_method_customer_mismatch", "us", _("the saved card belongs to another customer at Stripe"), _ADD_CARD),
    ("canceled closed", "us", _("it was cancelled before anything was taken"),
     _("Nothing: this payment is over. If they still want to pay, staff issue it again.")),
    ("network_cap", "us", _("this card was declined so often that the card networks allow no more tries for now"),
     _ANOTHER_CARD),
    ("declined_for_good", "us", _("this card was declined for good"), _ANOTHER_CARD),
    ("customer_must_act", "us", _("the customer must confirm the payment with the bank first"), _CONFIRM),
)  # fmt: skip

# For staff alone. To the customer: the bank declined it, please use another card or call the bank.
_SECRET: tuple[tuple[str, By, Text], ...] = (
    ("lost_card", "bank", _("the card was reported lost")),
    ("stolen_card", "bank", _("the card was reported stolen")),
    ("pickup_card", "bank", _("the bank wants the card back, as it may be lost or stolen")),
    ("restricted_card", "bank", _("the bank has blocked the card, as it may be lost or stolen")),
    ("security_violation", "bank", _("the bank suspects that somebody else uses the card")),
    ("fraudulent", "stripe", _("Stripe's protection against fraud suspects that somebody else uses the card")),
    ("highest_risk_level", "stripe", _("Stripe's protection against fraud gives it the highest risk")),
    ("merchant_blacklist", "stripe", _("the card is on our block list at Stripe")),
)

_OPEN = {code: (by, why, customer) for codes, by, why, customer in _TABLE for code in codes.split()}
_HUSHED = {code: (by, why) for code, by, why in _SECRET}


def decline(code: str, *, fault: str = "issuer") -> Decline:
    """What a code means. One that we have no words for is quoted, and blamed on whom the payment's `fault` names."""
    if code in _HUSHED:
        by, why = _HUSHED[code]
        return Decline(by=by, reason=str(why), customer=str(_CALL_BANK), secret=True)
    if code in _OPEN:
        by, why, customer = _OPEN[code]
        return Decline(by=by, reason=str(why), customer=str(customer))
    reason = gettext("the reason has the code “%(code)s”") % {"code": code} if code else gettext("no reason is given")
    if fault in ("customer", "issuer"):
        return Decline(by="bank", reason=reason, customer=str(_CALL_BANK))
    return Decline(by="stripe" if fault == "stripe" else "us", reason=reason, customer=str(_NOTHING))
