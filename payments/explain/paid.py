"""Paid: and what has become of the money since."""

from dataclasses import replace

from django.utils.translation import gettext as _

from payments import words
from payments.explain.known import Known
from payments.explain.story import Conclusion

# The bank holds the money, or has it for good.
_AWAY = ("needs_response", "under_review", "appeal_needs_response", "appeal_under_review", "lost")


def conclude_paid(known: Known) -> Conclusion:
    """How it was paid, then what went back, then what the bank disputes: the last outranks the others."""
    found = Conclusion(
        tone="good", what=_how(known),
        taken="yes", money=_("%(amount)s was taken.") % {"amount": known.amount},
        retry="no", retry_short=_("Don't charge again."), retry_why=_("It is paid. What was taken can be refunded."),
        customer=_("Nothing to do."),
    )  # fmt: skip
    if known.refunded or known.coming_back or known.refund_failed:
        found = _refunds(found, known)
    return _dispute(found, known) if known.dispute else found


def _how(known: Known) -> str:
    if known.imported:
        return _("Paid through the system before this one.")
    if known.was_confirmed:
        return _("Paid: the customer has confirmed it with the bank.")
    if known.was_failed:
        return _("Paid after all: it had failed first, and Stripe said later that it has taken the money.")
    if known.number > 1:
        return _("Paid, at try number %(number)d.") % {"number": known.number}
    return _("Paid.")


def _refunds(found: Conclusion, known: Known) -> Conclusion:
    if known.refunded and known.all_refunded:
        found = replace(
            found, tone="rest", what=_("Paid, and refunded in full."),
            money=_("%(amount)s was taken, and all of it was given back.") % {"amount": known.amount},
            retry_why=_("It was paid, and given back. A new charge needs a new payment."),
            customer=_on_its_way(),
        )  # fmt: skip
    elif known.refunded:
        found = replace(
            found, what=_("Paid, and refunded in part."),
            money=_("%(amount)s was taken, and %(refunded)s of it was given back.")
            % {"amount": known.amount, "refunded": known.refunded},
            customer=_on_its_way(),
        )  # fmt: skip
    if known.coming_back:
        coming = _("A refund of %(amount)s is under way.") % {"amount": known.coming_back}
        found = replace(found, what=f"{found.what} {coming}", customer=_on_its_way())
    if known.refund_failed:
        failed = _("A refund did not get through.")
        staff = _("A refund did not get through: look at it below, and ask for it again or give it back another way.")
        found = replace(found, tone="act", what=f"{found.what} {failed}", staff=staff)
    return found


def _on_its_way() -> str:
    return _("Nothing to do. A refund is on the card 5 to 10 business days after the bank has it.")


def _dispute(found: Conclusion, known: Known) -> Conclusion:
    reason = words.word(words.DISPUTE_REASONS, known.dispute_reason)
    status = words.word(words.DISPUTE_STATUSES, known.dispute)
    amount = {"amount": known.dispute_amount}
    if known.dispute in ("won", "warning_closed", "prevented"):
        over = _("It was disputed, and that is over: %(status)s.") % {"status": status}
        return replace(found, what=f"{found.what} {over}")
    disputed = _("Disputed: %(reason)s.") % {"reason": reason}
    money = found.money
    if known.dispute in _AWAY:
        held = (
            _("The bank gave %(amount)s of it back to the customer.")
            if known.dispute == "lost"
            else _("The bank holds %(amount)s of it until it has decided.")
        )
        money = f"{money} {held % amount}"
    if known.dispute.endswith("needs_response"):
        until = _("Answer until %(time)s.") % {"time": words.both_zones(known.respond_by)} if known.respond_by else ""
        disputed = f"{disputed} {until or _('An answer is due.')}"
    is_lost = known.dispute == "lost"
    return replace(
        found, tone="rest" if is_lost else "act", what=f"{found.what} {disputed}", money=money,
        customer=_("Nothing to do: the bank gave them the money.") if is_lost else _in_dispute(),
        retry_why=_("It was charged once already; while the bank has it, nothing can be refunded either."),
        staff=f"{status[:1].upper()}{status[1:]}. {words.dispute_next_step(known.dispute)}",
    )  # fmt: skip


def _in_dispute() -> str:
    return _("If they did not mean to dispute it, they can take it back at their bank. Otherwise the bank decides.")
