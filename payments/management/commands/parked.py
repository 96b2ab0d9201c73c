"""`manage.py parked`: the records that were set aside: see them, judge them again, or be done with them."""

import json
import sys
from argparse import ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, assert_never

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from payments import intake
from payments.intake import parked
from payments.management.moments import read_moment
from payments.models import InboxMessage

WHO = "staff: command line"

STILL_PARKED = 2
# Of a value that nobody would read to its end on a screen.
SHOWN = 4_000


class Command(BaseCommand):
    """Exit code 0: done, 2: at least one record is still parked, 1: it couldn't be done."""

    help = (
        "Records that were parked: list, show, replay, dismiss. A replay judges the record again as of now, if need "
        "be with a corrected event; what is charged already isn't charged again. Replay and dismiss are dry runs "
        'unless --yes. Example: parked replay 17 --value corrected.json --reason "price agreed" --yes. '
        "Exit code 0: done; 2: at least one is still parked; 1: trouble."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """One action, and what it is about."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="list|show|replay|dismiss")
        listing = actions.add_parser("list", help="what is parked, oldest first")
        listing.add_argument("--verdict", choices=[str(one) for one in InboxMessage.PARKED])
        listing.add_argument("--since", type=read_moment, help="received since then: 30m, 2h, 7d, or 2026-01-31T12:00")
        listing.add_argument("--subscription", help="of this subscription")
        listing.add_argument("--text", help="with this text in the reason")
        listing.add_argument("--limit", type=int, default=100, help="at most so many (100)")
        listing.add_argument("--json", action="store_true", help="print one JSON object for each")
        showing = actions.add_parser("show", help="one record, whole, with what to do about it")
        showing.add_argument("record", type=int)
        showing.add_argument("--json", action="store_true", help="print one JSON object")
        replaying = actions.add_parser("replay", help="judge records again, as of now")
        replaying.add_argument("--value", metavar="FILE", help="the corrected event, - for standard input")
        dismissing = actions.add_parser("dismiss", help="take records off the list for good; nothing is charged")
        for acting in (replaying, dismissing):
            acting.add_argument("record", type=int, nargs="+")
            acting.add_argument("--reason", type=_reason, required=True, help="why; kept with the record")
            acting.add_argument("--yes", action="store_true", help="act; without it nothing is changed")
            acting.add_argument("--json", action="store_true", help="print one JSON object for each")

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
        for row in rows[: options["limit"]]:
            about = _about(row)
            line = f"{row.id}  {row.received_at:%Y-%m-%d %H:%M} UTC  {row}  {row.verdict}  {row.subscription_id or '?'}"
            self._say(about, f"{line}  {row.reason}", as_json=options["json"])
        count = rows.count()
        if not options["json"] and count > options["limit"]:
            self.stdout.write(f"and {count - options['limit']} more: --limit")
        elif not options["json"] and not count:
            self.stdout.write("No parked record matches.")

    def _show(self, options: dict[str, Any]) -> None:
        row = InboxMessage.objects.filter(id=options["record"]).first()
        if row is None:
            raise CommandError(f"there is no record {options['record']}")
        about = _about(row) | _content(row)
        if options["json"]:
            self._say(about, "", as_json=True)
            return
        for name, content in about.items():
            if content not in (None, "", {}):
                self._say({}, f"{name.replace('_', ' ')}: {_cut(content)}", as_json=False)
        self.stdout.write(_what_to_do(row))

    def _act(self, action: str, options: dict[str, Any]) -> None:
        ids = options["record"]
        if options.get("value") is not None and len(ids) > 1:
            raise CommandError("--value is of one record: name one")
        value = _read(options.get("value"))
        codes = set()
        for record_id in ids:
            with transaction.atomic():
                outcome = self._decide(action, record_id, reason=options["reason"], value=value)
                # A dry run does all of it, and takes it back.
                if not options["yes"]:
                    transaction.set_rollback(True)
            code, text = _told(outcome, acted=options["yes"])
            codes.add(code)
            about = {"id": record_id, "outcome": type(outcome).__name__, "acted": options["yes"], "text": text}
            self._say(about, f"{record_id} {text}", as_json=options["json"])
        if not options["yes"] and not options["json"]:
            self.stdout.write("Nothing was changed. Add --yes to act.")
        if codes != {0}:
            sys.exit(1 if 1 in codes else STILL_PARKED)

    def _decide(self, action: str, record_id: int, *, reason: str, value: bytes | None) -> "Outcome":
        now = datetime.now(UTC)
        if action == "dismiss":
            return intake.dismiss(record_id=record_id, who=WHO, why=reason, now=now)
        return intake.replay(record_id=record_id, who=WHO, why=reason, now=now, value=value)

    def _say(self, about: dict[str, Any], line: str, *, as_json: bool) -> None:
        self.stdout.write(json.dumps(about, default=str) if as_json else _printable(line))


Outcome = intake.Replayed | intake.Duplicate | intake.StillParked | intake.Dismissed | intake.NotParked


def _told(outcome: Outcome, *, acted: bool) -> tuple[int, str]:
    """The exit code and the words for one record."""
    match outcome:
        case intake.Replayed(payment=payment):
            return 0, f"{'is' if acted else 'would be'} accepted: payment {payment}"
        case intake.Duplicate(payment=payment, reason=reason):
            return 0, f"{'is' if acted else 'would be'} a duplicate ({reason}): payment {payment}"
        case intake.Dismissed():
            return 0, f"{'is' if acted else 'would be'} dismissed"
        case intake.StillParked(reason=reason):
            return STILL_PARKED, f"{'is still' if acted else 'would stay'} parked: {reason}"
        case intake.NotParked(verdict=verdict):
            return 1, f"isn't parked: its verdict is {verdict}" if verdict else "isn't there"
        case _:
            assert_never(outcome)


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


def _reason(text: str) -> str:
    if not text.strip():
        raise ArgumentTypeError("must not be empty")
    return text


def _read(name: str | None) -> bytes | None:
    if name is None:
        return None
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"--value: {name} can't be read: {error.strerror}") from None
