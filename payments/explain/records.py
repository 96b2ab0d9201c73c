"""Records that came in: as events of a time line, and the story of one that was set aside."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from payments import words
from payments.explain.story import Event, Fact, Notice, Tone
from payments.models import InboxMessage

_TONES: dict[str, Tone] = {"conflict": "act", "invalid": "act"}


def record_events(record: InboxMessage) -> Iterator[Event]:
    """When it came and what it was taken for; and what somebody made of it, if it was set aside."""
    verdict = words.word(words.VERDICTS, record.verdict)
    if record.handled_at and record.verdict != InboxMessage.Verdict.DISMISSED:
        verdict = _("set aside at first")
    yield Event(
        at=record.received_at, kind="record", tone=_TONES.get(record.verdict, "rest"),
        text=_("A request came in: %(verdict)s") % {"verdict": verdict}
        + (f" ({record.reason})" if record.reason else ""),
        evidence=_place(record),
    )  # fmt: skip
    if record.handled_at:
        done = words.word(words.VERDICTS, record.verdict)
        yield Event(
            at=record.handled_at, kind="staff", who=words.person(record.handled_by),
            text=_("The record that was set aside was dealt with: %(verdict)s (%(why)s)")
            % {"verdict": done, "why": record.handled_why},
            evidence=(*_place(record), Fact(label="corrected", value="no" if record.corrected is None else "yes")),
        )  # fmt: skip


def explain_record(record: InboxMessage) -> Notice:
    """What was set aside, why, and what to do about it."""
    parked = record.verdict in InboxMessage.PARKED
    title = _("A record that was set aside") if parked else _("A record that is dealt with")
    facts = (
        Fact(label=_("Record"), value=place_of(record)),
        Fact(label=_("Subscription"), value=record.subscription_id or _("not known")),
        *([Fact(label=_("Why it was set aside"), value=record.reason)] if record.reason else []),
        Fact(label=_("Came in"), value=words.both_zones(record.received_at)),
        *([Fact(label=_("Judged again"), value=str(record.replays))] if record.replays else []),
    )
    return Notice(
        title=title, what=_what(record), next_step=_next_step(record), facts=facts,
        events=tuple(record_events(record)), payment=record.payment_id,
    )  # fmt: skip


def place_of(record: InboxMessage) -> str:
    """As it is typed and found again: topic, partition and offset."""
    return f"{record.topic}:{record.partition}:{record.offset}"


def _what(record: InboxMessage) -> str:
    match record.verdict:
        case InboxMessage.Verdict.CONFLICT:
            return _("It asks for a payment that contradicts the one we have. Nothing was charged for it.")
        case InboxMessage.Verdict.INVALID:
            return _("It can't be understood, so nothing was charged for it.")
        case InboxMessage.Verdict.DISMISSED:
            return _("Somebody decided that nothing is to be done about it. Nothing was charged for it.")
        case _:
            return _("It was taken for this: %(verdict)s.") % {"verdict": words.word(words.VERDICTS, record.verdict)}


def _next_step(record: InboxMessage) -> str:
    match record.verdict:
        case InboxMessage.Verdict.CONFLICT:
            return _(
                "Find out which amount is right. Then correct the record, or close the payment and have the record "
                "judged again, or dismiss it."
            )
        case InboxMessage.Verdict.INVALID:
            return _("Correct the record, or have the shop send it again and dismiss this one.")
        case _:
            return _("Nothing.")


def _place(record: InboxMessage) -> tuple[Fact, ...]:
    facts = [
        Fact(label="topic", value=record.topic),
        Fact(label="partition", value=str(record.partition)),
        Fact(label="offset", value=str(record.offset)),
        Fact(label="cluster", value=record.cluster),
        Fact(label="verdict", value=record.verdict),
    ]
    if record.event_id:
        facts.append(Fact(label="event id", value=record.event_id))
    return tuple(facts)
