"""Conclude: from what is known of a payment to what staff may say. Pure, and total: every state has its words.

P3: never a false word. Where the rows don't prove that money was taken, or that it wasn't, it says that nobody knows.
What makes the rows themselves doubtful (an answer of Stripe's that is about something else, books that differ)
comes last, and outranks all else.
"""

from dataclasses import replace
from typing import assert_never, cast

from django.utils.translation import gettext as _

from payments import words
from payments.explain.failed import conclude_failed
from payments.explain.known import Known
from payments.explain.paid import conclude_paid
from payments.explain.pending import conclude_pending
from payments.explain.story import Conclusion
from payments.notifications import NotificationStatus


def conclude(known: Known) -> Conclusion:
    """What somebody must know within ten seconds."""
    match cast("NotificationStatus", known.status):
        case "pending":
            found = conclude_pending(known)
        case "failed":
            found = conclude_failed(known)
        case "success":
            found = conclude_paid(known)
        case never:
            assert_never(never)
    if known.attention and not found.staff:
        found = replace(found, staff=words.attention(known.attention))
    return _doubt(found, known)


def _doubt(found: Conclusion, known: Known) -> Conclusion:
    """What contradicts the rows, and what may then still be said of money and of another try."""
    if known.closed_but_paid or (known.status != "success" and "paid_there" in known.differences):
        return _taken_there(found, known)
    if known.mismatch and known.status != "success":
        return _uncertain(found, known, _("Stripe's answer does not fit this payment, so it was not believed."))
    if known.paid_by_webhook:
        return _uncertain(found, known, _("It had failed, and a webhook of Stripe's says since that it is paid."))
    if known.status == "failed" and not known.closed and "restored" in known.paused:
        return _uncertain(found, known, _("The database was restored, and Stripe was not asked yet what it forgot."))
    if known.status == "success" and "paid_here" in known.differences:
        return _uncertain(found, known, _("Noted as paid, but Stripe says that nothing was taken."))
    if known.no_such_intent and known.status != "success":
        return _uncertain(
            found, known, _("Stripe does not know its PaymentIntent, as if it were another Stripe account.")
        )
    if known.differences:
        what = words.word(words.BREAKS, known.differences[0])
        return replace(
            found, tone="act",
            what=_("Stripe's books and ours differ: %(what)s.") % {"what": what} + " " + found.what,
            retry="no", retry_short=_("Don't charge again."), retry_why=_needs_a_look(),
        )  # fmt: skip
    return found


def _taken_there(found: Conclusion, known: Known) -> Conclusion:
    what = _("Stripe says that it has taken the money, although this payment is not paid here.")
    if known.closed:
        what = _("Stripe says that it has taken the money, although this payment was closed.")
    return replace(
        found, tone="act", what=what,
        taken="yes", money=_("%(amount)s was taken.") % {"amount": known.amount},
        retry="no", retry_short=_("Don't charge again."), retry_why=_needs_a_look(),
        customer=_("Tell them that the money was taken, and that we are putting it right."),
        staff=words.attention(known.attention) or words.word(words.BREAKS, "paid_there"),
    )  # fmt: skip


def _uncertain(found: Conclusion, known: Known, what: str) -> Conclusion:
    return replace(
        found, tone="act", what=what,
        taken="unknown", money=_("Whether money was taken must be looked up at Stripe."),
        retry="no", retry_short=_("Don't retry."), retry_why=_needs_a_look(),
        customer=_("Tell them that we are looking into it, and that they should not pay again meanwhile."),
        shop="",
        staff=words.attention(known.attention) or what,
    )  # fmt: skip


def _needs_a_look() -> str:
    return _("Somebody must compare it with Stripe first: another try could take the money once more.")
