"""A story as text for a terminal, and as plain data for JSON: the same words as on the page."""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from payments.explain.story import Back, Conclusion, Event, Fact, Notice, Step, Story


def as_text(story: Story | Notice) -> str:
    """Paragraphs and lines; control characters of what came from outside are made harmless."""
    lines = _story(story) if isinstance(story, Story) else _notice(story)
    return "\n".join(_harmless(line) for line in lines)


def as_data(story: Story | Notice) -> dict[str, Any]:
    """What `json.dumps` takes; times in ISO 8601."""
    found: dict[str, Any] = _plain(asdict(story))
    if isinstance(story, Story):
        found["conclusion"]["headline"] = story.conclusion.headline
    return found


def money_was_taken(told: Conclusion) -> tuple[str, str]:
    """The one word that is asked for most, and what there is to add; empty: nothing."""
    answers = {"yes": _("Yes."), "no": _("No."), "unknown": _("Not known yet.")}
    says_the_same = (_("Nothing was taken."), _("Whether money was taken is not known yet."))
    return answers[told.taken], "" if told.money in says_the_same else told.money


def _story(story: Story) -> Iterator[str]:
    told = story.conclusion
    yield told.headline
    yield ""
    lines = (
        (_("Was money taken?"), " ".join(money_was_taken(told)).strip()),
        (_("Try again?"), f"{told.retry_short} {told.retry_why}"),
        (_("Customer"), told.customer),
        (_("Shop"), told.shop),
        (_("Staff"), told.staff),
        (_("Customer was told"), f"“{story.told}”" if story.told else ""),
        (_("Card networks"), story.budget),
    )
    yield from (f"{label}: {text}" for label, text in lines if text)
    yield from _facts(story.facts)
    yield from _section(_("Next"), (_step(step) for step in story.next_steps))
    yield from _section(_("Refunds"), (_back(one) for one in story.refunds))
    yield from _section(_("Disputes"), (_back(one) for one in story.disputes))
    yield from _section(_("Differences to Stripe's books"), (_step(one) for one in story.differences))
    yield from _section(
        _("Other payments of this subscription"), (f"{one.id} ({one.number}): {one.text}" for one in story.others)
    )
    yield from _time_line(story.events)


def _notice(notice: Notice) -> Iterator[str]:
    yield f"{notice.title}. {notice.what}"
    yield ""
    yield f"{_('To do')}: {notice.next_step}"
    if notice.payment:
        yield f"{_('Payment')}: {notice.payment}"
    yield from _facts(notice.facts)
    yield from _time_line(notice.events)


def _facts(facts: Iterable[Fact]) -> Iterator[str]:
    yield ""
    for fact in facts:
        yield f"{fact.label}: {fact.value}" + (f"  {fact.link}" if fact.link else "")


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield ""
        yield title
        yield from (f"  {line}" for line in found)


def _step(step: Step) -> str:
    return f"{step.when}  {step.text}"


def _back(back: Back) -> str:
    parts = [back.amount, back.state, back.deadline, back.why, back.who, back.next_step, back.id, back.link]
    return " · ".join(part for part in (back.when, *parts) if part)


def _time_line(events: Iterable[Event]) -> Iterator[str]:
    yield ""
    yield _("What happened")
    for event in events:
        by = f"  [{event.who}]" if event.who else ""
        yield f"  {event.when}  {event.text}{by}"
        facts = ", ".join(f"{fact.label}: {fact.value}" for fact in event.evidence)
        if facts:
            yield f"      {facts}"


def _harmless(text: str) -> str:
    """What came from outside must not steer the terminal that shows it."""
    return "".join(
        one if one.isprintable() or one == "\N{NO-BREAK SPACE}" else one.encode("unicode_escape").decode()
        for one in text
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, uuid.UUID) else value
