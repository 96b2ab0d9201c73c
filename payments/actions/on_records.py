"""What staff may do to parked records, and to breaks with Stripe's books."""

import json
from datetime import datetime
from typing import assert_never

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments import intake, reconcile
from payments.actions.action import Action, Argument, ArgumentInvalid, Did, Refused, Subject, Wish
from payments.models import Break, InboxMessage


def _why_not(record: InboxMessage, _now: datetime) -> str:
    if record.verdict in InboxMessage.PARKED:
        return ""
    return _("it isn't parked: it is “%(verdict)s”") % {"verdict": record.verdict}


def _why_not_as_it_came(record: InboxMessage, now: datetime) -> str:
    why_not = _why_not(record, now)
    if not why_not and record.verdict == InboxMessage.Verdict.INVALID and not intake.is_as_it_came(record):
        return intake.NEEDS_A_VALUE
    return why_not


def _replay(wish: Wish) -> Did | Refused:
    corrected = wish.arguments.get("value")
    value = corrected.encode() if isinstance(corrected, str) else None
    outcome = intake.replay(record_id=_number(wish), who=wish.who, why=wish.why, now=wish.now, value=value)
    match outcome:
        case intake.Replayed(payment=payment):
            return Did(text=_("is accepted: payment %(id)s") % {"id": payment})
        case intake.Duplicate(reason=reason):
            return Did(text=_("is a duplicate: %(reason)s") % {"reason": reason})
        case intake.StillParked(reason=reason):
            return Refused(text=reason)
        case intake.NotParked(verdict=verdict):
            return Refused(text=_("it isn't parked: it is “%(verdict)s”") % {"verdict": verdict})
        case _:
            assert_never(outcome)


def _read_value(text: str, _record: Subject) -> str:
    try:
        found = json.loads(text)
    except ValueError:
        raise ArgumentInvalid(_("is not JSON: check the quotes and commas")) from None
    if not isinstance(found, dict):
        raise ArgumentInvalid(_("must be an object in braces, like the one that came"))
    if intake.has_card_number(text):
        raise ArgumentInvalid(_("holds a card number, which must never be kept: take it out"))
    return text


def _as_it_came(record: Subject) -> str:
    value = record.value if isinstance(record, InboxMessage) else None
    return bytes(value).decode("utf-8", "replace") if value is not None else ""


def _dismiss(wish: Wish) -> Did | Refused:
    outcome = intake.dismiss(record_id=_number(wish), who=wish.who, why=wish.why, now=wish.now)
    match outcome:
        case intake.Dismissed():
            return Did(text=_("is dismissed"))
        case intake.NotParked(verdict=verdict):
            return Refused(text=_("it isn't parked: it is “%(verdict)s”") % {"verdict": verdict})
        case _:
            assert_never(outcome)


def _why_not_settle(broken: Break, _now: datetime) -> str:
    return _("it is closed already") if broken.closed_at else ""


def _settle(wish: Wish) -> Did | Refused:
    try:
        reconcile.settle_break(break_id=_number(wish), who=wish.who, why=wish.why, now=wish.now)
    except reconcile.NotOpen:
        return Refused(text=_("it is closed already"))
    return Did(text=_("is settled"))


def _number(wish: Wish) -> int:
    assert isinstance(wish.subject, int)  # noqa: S101
    return wish.subject


VALUE = Argument(
    name="value", required=True, read=_read_value, is_long=True, start=_as_it_came,
    label=gettext_lazy("Corrected event"), help=gettext_lazy("The whole event as it should have come, as JSON."),
)  # fmt: skip

ON_RECORDS = (
    Action(
        name="replay_record", about="record", permission="payments.replay_record",
        title=gettext_lazy("Judge again"),
        says=gettext_lazy("The record is judged once more, as it came. If it is accepted, its payment is charged."),
        find_refusal=_why_not_as_it_came, act=_replay,
    ),
    Action(
        name="correct_record", about="record", permission="payments.correct_record", arguments=(VALUE,),
        title=gettext_lazy("Correct and judge again"),
        says=gettext_lazy("The event that you give takes the place of the one that came, and its payment is charged."),
        find_refusal=_why_not, act=_replay,
    ),
    Action(
        name="dismiss_record", about="record", permission="payments.dismiss_record",
        title=gettext_lazy("Dismiss"),
        says=gettext_lazy("Nothing is charged, and the record is off the list for good."),
        find_refusal=_why_not, act=_dismiss,
    ),
)  # fmt: skip

ON_BREAKS = (
    Action(
        name="settle_break", about="broken", permission="payments.settle_break",
        title=gettext_lazy("Settle"),
        says=gettext_lazy("It is taken off the list, with your reason. Nothing is changed at Stripe."),
        find_refusal=_why_not_settle, act=_settle,
    ),
)  # fmt: skip
