"""Not paid: who said no and why, and whether another try is safe, and with what."""

from dataclasses import replace

from django.utils.translation import gettext as _

from payments import words
from payments.explain.known import Known
from payments.explain.story import Conclusion, Retry


def conclude_failed(known: Known) -> Conclusion:
    """Closed comes first, as nothing leaves it; then what the customer must do; then who said no."""
    if known.closed:
        return _closed(known)
    found = _confirm(known) if known.kind == "action" else _declined(known)
    if known.attempt == "refused":
        found = replace(found, what=f"{found.what} {_refused(known)}")
    if known.retry_at:
        when = words.both_zones(known.retry_at)
        found = replace(
            found, tone="wait",
            retry_short=_("It is tried again by itself at %(time)s.") % {"time": when},
        )  # fmt: skip
    return found


def _closed(known: Known) -> Conclusion:
    if known.issued_again:
        why = _("It was issued again as a new payment: look at that one.")
    else:
        why = _("Nothing leaves a closed payment. If the customer still wants to pay, it can be issued again.")
    return Conclusion(
        tone="rest", what=_("Closed: nothing more can be taken with it."),
        taken="no", money=_("Nothing was taken."),
        retry="no", retry_short=_("It can't be retried."), retry_why=why,
        customer=_("Nothing: this payment is over."),
    )  # fmt: skip


def _confirm(known: Known) -> Conclusion:
    intent = known.intent or _("(not made yet)")
    return Conclusion(
        tone="act", what=_("It waits for the customer: the bank wants them to confirm it."),
        taken="no", money=_("Nothing is taken until they do."),
        retry="no" if known.refusal else "safe",
        retry_short=_("Don't retry: it would be declined again."),
        retry_why=_(
            "A try without the customer is declined again. When they have confirmed it, it is noted as paid by itself."
        ),
        customer=_("Open the shop and confirm the payment with the bank (a code by SMS, or the bank's app)."),
        shop=_(
            "The shop's front end retrieves the PaymentIntent %(intent)s (the transactionId of the notification) from "
            "Stripe and lets the customer confirm it there. The shop needs no new payment."
        ) % {"intent": intent},
    )  # fmt: skip


def _declined(known: Known) -> Conclusion:
    said = words.decline(known.code, fault=known.fault)
    match said.by:
        case "stripe":
            what = _("Stopped at Stripe: %(reason)s.") % {"reason": said.reason}
        case "bank":
            what = _("Declined by the bank: %(reason)s.") % {"reason": said.reason}
        case _:
            what = _("Not carried out: %(reason)s. It is not the customer's fault.") % {"reason": said.reason}
    retry, short, why = _another_try(known)
    return Conclusion(
        tone="bad", what=what,
        taken="no", money=_("Nothing was taken."),
        retry=retry, retry_short=short, retry_why=why,
        customer=said.customer,
        staff=_secret() if said.secret else "",
    )  # fmt: skip


def _another_try(known: Known) -> tuple[Retry, str, str]:
    match known.refusal:
        case "":
            return (
                "safe",
                _("Safe to retry."),
                _(
                    "Stripe has proved that nothing was taken, and another try uses the same PaymentIntent, which can "
                    "take the money once at most."
                ),
            )
        case "network_cap" | "declined_for_good":
            why = words.decline(known.refusal).reason
            return (
                "other_card",
                _("Retry only with another card."),
                _("This card is not tried again: %(why)s.") % {"why": why}
                + " " + _("With another card it is safe: the PaymentIntent can take the money once at most."),
            )  # fmt: skip
        case code:
            return "no", _("Don't retry."), _("Not now: %(why)s.") % {"why": words.decline(code, fault="us").reason}


def _refused(known: Known) -> str:
    """Somebody asked once more, and the rules said no."""
    return _("Another try was asked for and refused by the rules.")


def _secret() -> str:
    return _(
        "Do not tell the customer this reason: they may not be the card's owner. Say that the bank declined it, and to "
        "call the bank or use another card."
    )
