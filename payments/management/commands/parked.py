"""`manage.py parked`: the records that were set aside: see them, judge them again, or be done with them."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, assert_never

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from payments import intake
from payments.intake import parked
from payments.management.moments import read_moment
from payments.management.terminal import (
    DRY,
    STOPPED,
    WHO,
    AnsweringCommand,
    add_acting,
    add_json,
    heeding_ctrl_c,
    judge,
    read_count,
    wants_to_act,
)
from payments.models import InboxMessage

# Of a value that nobody would read to its end on a screen.
SHOWN = 4_000


class Command(AnsweringCommand):
    """Exit code 0: done, 3: a part is still parked, or never was; 1: all of them."""

    help = (
        "Records that were parked: list, show, replay, dismiss. A replay judges the record again as of now, if need "
        "be with a corrected event; what is charged already isn't charged again. Replay and dismiss are dry runs "
        "unless --yes."
    )
    examples = """
manage.py parked list --since 2d --text price
manage.py parked show 17
manage.py parked replay 17 --value corrected.json --reason "price agreed" --yes
manage.py parked dismiss 18 19 --reason "events of a test" --yes
manage.py parked list --json | jq .records[].id
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """One action, and what it is about."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="list|show|replay|dismiss")
        listing = actions.add_parser("list", help="what is parked, oldest first")
        listing.add_argument("--verdict", choices=[str(one) for one in InboxMessage.PARKED])
        listing.add_argument("--since", type=read_moment, help="received since then: 30m, 2h, 7d, or 2026-01-31T12:00")
        listing.add_argument("--subscription", help="of this subscription")
        listing.add_argument("--text", help="with this text in the reason")
        listing.add_argument("--limit", type=read_count, default=100, help="at most so many (100)")
        showing = actions.add_parser("show", help="one record, whole, with what to do about it")
        showing.add_argument("record", type=int)
        replaying = actions.add_parser("replay", help="judge records again, as of now")
        replaying.add_argument("--value", metavar="FILE", help="the corrected event, - for standard input")
        dismissing = actions.add_parser("dismiss", help="take records off the list for good; nothing is charged")
        for acting in (replaying, dismissing):
            acting.add_argument("record", type=int, nargs="+")
            add_acting(acting, kept="with the record")
        for any_action in (listing, showing, replaying, dismissing):
            add_json(any_action)

    def handle(self, *args: Any, **options: Any) -> None:
        """One line for each record."""
        match options["action"]:
            case "list":
                self._list(options)
            case "show":
                self._show(options)
            case action:
                self._act(action, options)

    def _list(self, options: dict[str, Any]) -> None:
        rows = InboxMessage.objects.filter(verdict__in=InboxMessage.PARKED).order_by("received_at", "id")
        wanted = {
            "verdict": options["verdict"],
            "received_at__gte": options["since"],
            "subscription_id": options["subscription"],
            "reason__icontains": options["text"],
        }
        rows = rows.filter(**{name: value for name, value in wanted.items() if value})
        found, count = list(rows[: options["limit"]]), rows.count()
        self.answer(
            options, document={"records": [_about(row) for row in found], "count": count},
            lines=map(_printable, _lines(found, count)),
        )  # fmt: skip

    def _show(self, options: dict[str, Any]) -> None:
        row = InboxMessage.objects.filter(id=options["record"]).first()
        if row is None:
            raise CommandError(f"there is no record {options['record']}")
        about = _about(row) | _content(row)
        lines = [f"{name.replace('_', ' ')}: {_cut(content)}" for name, content in _told_of(about)]
        self.answer(options, document=about, lines=[*map(_printable, lines), _what_to_do(row)])

    def _act(self, action: str, options: dict[str, Any]) -> None:
        ids, acts = options["record"], wants_to_act(options)
        if options.get("value") is not None and len(ids) > 1:
            raise CommandError("--value is of one record: name one")
        value = _read(options.get("value"))
        told = []
        with heeding_ctrl_c() as ctrl_c:
            for record_id in ids:
                if ctrl_c.is_set():
                    break
                told.append(self._act_on(action, record_id, reason=options["reason"], value=value, acts=acts))
        left = ids[len(told) :]
        lines = [_printable(f"{one['id']} {one['text']}") for one in told]
        lines += [f"Stopped. Left are: {' '.join(map(str, left))}"] * bool(left) + [DRY] * (not acts)
        done = sum(one["done"] for one in told)
        code = STOPPED if left else judge(done=done, refused=len(told) - done)
        self.answer(options, document={"records": told, "acted": acts, "left": left}, lines=lines, code=code)

    def _act_on(
        self, action: str, record_id: int, *, reason: str, value: bytes | None, acts: bool
    ) -> dict[str, Any]:  # fmt: skip
        with transaction.atomic():
            outcome = self._decide(action, record_id, reason=reason or "a dry run", value=value)
            # A dry run does all of it, and takes it back.
            transaction.set_rollback(not acts)
        done, text = _told(outcome, acted=acts)
        return {"id": record_id, "outcome": type(outcome).__name__, "done": done, "text": text}

    def _decide(self, action: str, record_id: int, *, reason: str, value: bytes | None) -> "Outcome":
        now = datetime.now(UTC)
        if action == "dismiss":
            return intake.dismiss(record_id=record_id, who=WHO, why=reason, now=now)
        return intake.replay(record_id=record_id, who=WHO, why=reason, now=now, value=value)


Outcome = intake.Replayed | intake.Duplicate | intake.StillParked | intake.Dismissed | intake.NotParked


def _told(outcome: Outcome, *, acted: bool) -> tuple[bool, str]:
    """Whether it is off the list, and the words for one record."""
    match outcome:
        case intake.Replayed(payment=payment):
            return True, f"{'is' if acted else 'would be'} accepted: payment {payment}"
        case intake.Duplicate(payment=payment, reason=reason):
            return True, f"{'is' if acted else 'would be'} a duplicate ({reason}): payment {payment}"
        case intake.Dismissed():
            return True, f"{'is' if acted else 'would be'} dismissed"
        case intake.StillParked(reason=reason):
            return False, f"{'is still' if acted else 'would stay'} parked: {reason}"
        case intake.NotParked(verdict=verdict):
            return False, f"isn't parked: its verdict is {verdict}" if verdict else "isn't there"
        case _:
            assert_never(outcome)


def _told_of(about: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((name, content) for name, content in about.items() if content not in (None, "", {}))


def _lines(found: list[InboxMessage], count: int) -> Iterator[str]:
    for row in found:
        line = f"{row.id}  {row.received_at:%Y-%m-%d %H:%M} UTC  {row}  {row.verdict}  {row.subscription_id or '?'}"
        yield f"{line}  {row.reason}"
    if count > len(found):
        yield f"and {count - len(found)} more: --limit"
    if not count:
        yield "No parked record matches."


def _about(row: InboxMessage) -> dict[str, Any]:
    return {
        "id": row.id,
        "verdict": row.verdict,
        "reason": row.reason,
        "record": str(row),
        "subscription": row.subscription_id,
        "recorded_at": row.recorded_at.isoformat(),
        "received_at": row.received_at.isoformat(),
        "replays": row.replays,
    }


def _content(row: InboxMessage) -> dict[str, Any]:
    return {
        "event_id": row.event_id,
        "payment": row.payment_id,
        "handled": f"{row.handled_at:%Y-%m-%d %H:%M} UTC by {row.handled_by}: {row.handled_why}"
        if row.handled_at
        else "",
        "key": _text(row.key),
        "headers": {name: _text(value) for name, value in parked.headers_of(row)},
        "value": _text(row.value),
        "corrected": _text(row.corrected),
    }


def _what_to_do(row: InboxMessage) -> str:
    if row.verdict not in InboxMessage.PARKED:
        return "Nothing is left to do."
    corrected = f"manage.py parked replay {row.id} --value FILE --reason …"
    again = f"manage.py parked replay {row.id} --reason …"
    dismissed = f"manage.py parked dismiss {row.id} --reason …"
    if row.verdict == InboxMessage.Verdict.CONFLICT:
        return f"To do: judge it again once its payment is closed: {again}\nor correct it: {corrected}\nor: {dismissed}"
    if not parked.is_as_it_came(row):
        return f"To do: {parked.NEEDS_A_VALUE}: {corrected}\nor: {dismissed}"
    return f"To do: correct it: {corrected}\nor: {dismissed}"


def _text(value: bytes | memoryview | None) -> str | None:
    return None if value is None else bytes(value).decode("utf-8", "backslashreplace")


def _cut(content: Any) -> str:
    text = str(content)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text) - SHOWN} more characters: --json)"


def _printable(text: str) -> str:
    """What came from outside must not steer the terminal that shows it."""
    return "".join(
        one if one.isprintable() or one == "\n" else one.encode("unicode_escape", "backslashreplace").decode()
        for one in text
    )


def _read(name: str | None) -> bytes | None:
    if name is None:
        return None
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"--value: {name} can't be read: {error.strerror}") from None
