"""Disputes in words: why the customer's bank wants the money back, how it stands, and what is to be done.

Source: Stripe's documentation, "Dispute reason codes" and the dispute object.
"""

from django.utils.translation import gettext_lazy as _

from payments.words.states import Table, word

DISPUTE_REASONS: Table = {
    "fraudulent": _("the customer says that they did not make this payment"),
    "unrecognized": _("the customer does not recognise this payment"),
    "duplicate": _("the customer says that they were charged twice"),
    "subscription_canceled": _("the customer says that they had cancelled the subscription"),
    "product_not_received": _("the customer says that they did not get what they paid for"),
    "product_unacceptable": _("the customer says that what they got was not what was promised"),
    "credit_not_processed": _("the customer says that a refund was promised and did not come"),
    "noncompliant": _("the bank says that the payment broke the card network's rules"),
    "general": _("the bank gives no particular reason"),
    "customer_initiated": _("the customer asked the bank for the money, without a particular reason"),
    "debit_not_authorized": _("the customer says that they did not allow this debit"),
    "incorrect_account_details": _("the account details were wrong"),
    "insufficient_funds": _("there was not enough money in the account"),
    "bank_cannot_process": _("the customer's bank could not process the payment"),
    "check_returned": _("the customer's bank returned the payment"),
}
DISPUTE_STATUSES: Table = {
    "needs_response": _("the bank has taken the money back and waits for our answer"),
    "under_review": _("we have answered, and the bank decides"),
    "won": _("decided for us: the money is ours"),
    "lost": _("decided for the customer: the money is theirs"),
    "warning_needs_response": _("the bank asks about the payment and waits for our answer; no money has moved"),
    "warning_under_review": _("we have answered what the bank asked; no money has moved"),
    "warning_closed": _("the bank asked, and asks no more; no money has moved"),
    "prevented": _("settled before it became a dispute"),
    "appeal_needs_response": _("lost; we may appeal, and the bank waits for our answer"),
    "appeal_under_review": _("we have appealed, and the bank decides"),
}
_NEXT: Table = {
    "needs_response": _("Answer with evidence in Stripe's dashboard, or accept the dispute there."),
    "warning_needs_response": _(
        "Answer in Stripe's dashboard, or refund the payment: then it does not become a dispute."
    ),
    "appeal_needs_response": _("Appeal with evidence in Stripe's dashboard, or leave it."),
    "under_review": _("Nothing: the bank decides, often after weeks."),
    "warning_under_review": _("Nothing: the bank reads our answer."),
    "appeal_under_review": _("Nothing: the bank decides, often after weeks."),
}
_OVER = _("Nothing: it is over.")
_UNHEARD_OF = _("Look at it in Stripe's dashboard.")


def dispute_next_step(status: str) -> str:
    """What staff do about a dispute that stands like this."""
    if status in _NEXT:
        return word(_NEXT, status)
    return str(_OVER if status in DISPUTE_STATUSES else _UNHEARD_OF)
