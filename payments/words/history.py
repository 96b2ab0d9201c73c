"""Each step of a payment's history in words. What was noted at that moment stays beside it, as evidence."""

import re

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments.words.declines import decline
from payments.words.disputes import DISPUTE_REASONS, DISPUTE_STATUSES
from payments.words.states import REFUNDS, word

# What the rooms below write as `why`, where it is always the same.
_FIXED: dict[str, Promise] = {
    "accepted": gettext_lazy("The payment was made"),
    "attempt started": gettext_lazy("It began"),
    "asked for again": gettext_lazy("The request came in again: another try was asked for"),
    "tried again by schedule": gettext_lazy("Another try, by the schedule"),
    "another payment method had come in meanwhile": gettext_lazy(
        "Another try, with the card that had come in meanwhile"
    ),
    "Stripe says succeeded": gettext_lazy("Paid: Stripe says that it has taken the money"),
    "Stripe is processing it": gettext_lazy("The customer's bank is working on it"),
    "paid by the service before": gettext_lazy("Taken over as paid from the system before this one"),
    "bound again to the PaymentIntent that was made for it": gettext_lazy("After a restore: found again at Stripe"),
    "in the place of an attempt that was forgotten": gettext_lazy("After a restore: a try that was forgotten"),
}

_ASKED_BACK = re.compile(r"refund of (?P<amount>.+?) asked for: (?P<why>.*)", re.DOTALL)
_BACK = re.compile(r"refund of (?P<amount>.+?) (?P<state>[a-z]+): .*", re.DOTALL)
_DISPUTE = re.compile(r"dispute of (?P<amount>.+?) \((?P<reason>\w*)\): (?P<status>\w+)")

_PEOPLE: dict[str, Promise] = {
    "event": gettext_lazy("the shop (by an event)"),
    "stripe": gettext_lazy("Stripe"),
    "sweep": gettext_lazy("this service"),
    "schedule": gettext_lazy("the schedule of retries"),
    "adoption": gettext_lazy("the restore (adoption)"),
    "reconciliation": gettext_lazy("the comparison with Stripe's books"),
}


def person(who: str) -> str:
    """Who did it, in words: staff by their name."""
    if who in _PEOPLE:
        return str(_PEOPLE[who])
    return who.removeprefix("staff: ") if who else _("nobody")


def change(*, from_status: str, to_status: str, attempt_state: str, why: str) -> str:
    """What one step did, in words."""
    if why in _FIXED:
        return str(_FIXED[why])
    head, _colon, rest = why.partition(": ")
    if head in ("declined", "action_required", "rejected"):
        return _failed(head, rest)
    if head == "outcome unknown":
        return _("Stripe gave no clear answer: nobody knows yet how the try ended")
    if head == "closed":
        return _("Closed, so that nothing more can be taken: %(why)s") % {"why": rest}
    if head == "a difference to Stripe's books was settled":
        return _("A difference to Stripe's books was settled: %(why)s") % {"why": rest}
    if attempt_state == "refused":
        return _("Another try was refused: %(why)s") % {"why": _(why) if why else why}
    if from_status == to_status:
        return _beside(why)
    return _moved(from_status, to_status, why)


def _failed(state: str, code: str) -> str:
    words = decline(code)
    if state == "action_required":
        return _("Declined until the customer confirms the payment with the bank")
    if state == "rejected":
        return _("Not carried out: %(why)s") % {"why": words.reason}
    if words.by == "stripe":
        return _("Stopped at Stripe: %(why)s") % {"why": words.reason}
    return _("Declined by the bank: %(why)s") % {"why": words.reason}


def _moved(from_status: str, to_status: str, why: str) -> str:
    """Where `why` is a person's own words, or tells of a refund or a dispute."""
    if not from_status:
        return _("Issued again: %(why)s") % {"why": why}
    if (from_status, to_status) == ("failed", "pending"):
        return _("Another try was asked for: %(why)s") % {"why": why}
    if to_status == "failed" and from_status == "pending":
        return _("Ended without payment: %(why)s") % {"why": why}
    return why[:1].upper() + why[1:]


def _beside(why: str) -> str:
    """What goes on beside a status that stays: money back."""
    if asked := _ASKED_BACK.fullmatch(why):
        return _("A refund of %(amount)s was asked for: %(why)s") % asked.groupdict()
    if back := _BACK.fullmatch(why):
        state = word(REFUNDS, back["state"])
        return _("Refund of %(amount)s: %(state)s") % {"amount": back["amount"], "state": state}
    if disputed := _DISPUTE.fullmatch(why):
        return _("Dispute about %(amount)s, as %(reason)s: %(status)s") % {
            "amount": disputed["amount"],
            "reason": word(DISPUTE_REASONS, disputed["reason"]),
            "status": word(DISPUTE_STATUSES, disputed["status"]),
        }
    return why[:1].upper() + why[1:]
