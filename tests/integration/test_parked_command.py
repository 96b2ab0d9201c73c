"""`manage.py parked`: what support types, with exit codes for scripts; a dry run unless told otherwise."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from payments.models import InboxMessage, OutboxMessage, Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record

pytestmark = pytest.mark.django_db
VISA = "4242424242424242"


@pytest.fixture
def rows(clock: Clock) -> dict[str, InboxMessage]:
    """One conflict and two that aren't understood, of which the second is hostile."""
    sent: dict[str, dict[str, Any] | bytes] = {
        "paid": event("sub_1"),
        "conflict": event("sub_1", price=200),
        "free": event("sub_2", price=0),
        "hostile": b"\x1b[2J\xe2\x80\xae<script>\n" + VISA.encode(),
    }
    for one in sent.values():
        accept(record(one, at=clock.advance(minutes=1), headers=(("x-from", b"\x07app"),)), now=clock())
    return dict(zip(sent, InboxMessage.objects.order_by("id"), strict=True))


def parked(*arguments: Any) -> tuple[int, str]:
    """Run the command: its exit code and what it prints."""
    out = StringIO()
    try:
        call_command("parked", *map(str, arguments), stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def correction(tmp_path: Path, **changes: Any) -> Path:
    """A file with a corrected event."""
    file = tmp_path / "corrected.json"
    file.write_text(json.dumps(event("sub_2", **changes)))
    return file


def test_the_list_is_one_line_for_each_with_place_and_reason(rows: dict[str, InboxMessage]) -> None:
    """Oldest first; what was accepted isn't on it."""
    code, printed = parked("list")
    lines = printed.splitlines()
    assert (code, len(lines)) == (0, 3)
    conflict = rows["conflict"]
    assert lines[0] == (
        f"{conflict.id}  2026-01-31 12:02 UTC  {conflict}  conflict  sub_1  product.price: differs from the payment "
        "of this subscription, which is pending: correct the event, or close the payment first"
    )
    assert lines[1].endswith("invalid  ?  product.price: must be greater than 0")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--verdict", "conflict"], ["conflict"]),
        (["--verdict", "invalid"], ["free", "hostile"]),
        (["--since", "2026-01-31T12:03"], ["free", "hostile"]),
        (["--since", "1h"], []),
        (["--subscription", "sub_1"], ["conflict"]),
        (["--text", "PRICE: must be"], ["free"]),
        (["--limit", "1"], ["conflict"]),
        (["--verdict", "invalid", "--text", "price"], ["free"]),
    ],
)
def test_the_list_is_filtered(rows: dict[str, InboxMessage], arguments: list[str], found: list[str]) -> None:
    """By verdict, time, subscription and words of the reason; as JSON for scripts."""
    code, printed = parked("list", *arguments, "--json")
    assert code == 0
    assert [one["id"] for one in json.loads(printed)["records"]] == [rows[name].id for name in found]


def test_an_empty_list_and_a_cut_one_say_so(rows: dict[str, InboxMessage]) -> None:
    """Nobody takes the first page for everything."""
    assert parked("list", "--subscription", "nobody") == (0, "No parked record matches.\n")
    assert parked("list", "--limit", "1")[1].endswith("and 2 more: --limit\n")


def test_a_record_is_shown_whole_with_what_to_do(rows: dict[str, InboxMessage]) -> None:
    """Its place, its reason, its content, and the commands to type."""
    code, printed = parked("show", rows["conflict"].id)
    assert code == 0
    for text in (
        "verdict: conflict",
        "reason: product.price: differs",
        f"record: {rows['conflict']}",
        'value: {"subId": "sub_1"',
        "judge it again once its payment is closed: manage.py parked replay",
        f"parked dismiss {rows['conflict'].id} --reason",
    ):
        assert text in printed, text


def test_what_came_from_outside_does_not_steer_the_terminal(rows: dict[str, InboxMessage]) -> None:
    """Escape sequences and signs that turn the direction of writing are shown as such; card numbers are masked."""
    _, printed = parked("show", rows["hostile"].id)
    assert "value: \\x1b[2J\\u202e<script>\n424242******4242" in printed
    assert "\\x07app" in printed
    assert not {"\x1b", "\u202e", "\x07"} & set(printed)
    assert VISA not in printed
    assert "what is kept isn't what came" in printed
    about = json.loads(parked("show", rows["hostile"].id, "--json")[1])
    assert (about["value"], about["headers"]) == ("\x1b[2J\u202e<script>\n424242******4242", {"x-from": "\x07app"})


def test_a_long_value_is_cut_on_the_screen(clock: Clock) -> None:
    """And whole as JSON."""
    accept(record(b"x" * 10_000, at=clock()), now=clock())
    row = InboxMessage.objects.get()
    assert "x… (6000 more characters: --json)" in parked("show", row.id)[1]
    assert len(json.loads(parked("show", row.id, "--json")[1])["value"]) == 10_000


@pytest.mark.parametrize("action", ["replay", "dismiss"])
def test_a_dry_run_says_what_would_happen_and_changes_nothing(
    rows: dict[str, InboxMessage], tmp_path: Path, action: str
) -> None:
    """The whole judgement is made, and taken back."""
    before = [list(model.objects.order_by("id").values()) for model in (InboxMessage, Payment, OutboxMessage)]
    arguments = ["--value", correction(tmp_path)] if action == "replay" else []
    code, printed = parked(action, rows["free"].id, "--reason", "x", *arguments)
    assert code == 0
    words = "would be accepted: payment" if action == "replay" else "would be dismissed"
    assert printed.startswith(f"{rows['free'].id} {words}")
    assert printed.endswith("Nothing was changed. Add --yes to act.\n")
    after = [list(model.objects.order_by("id").values()) for model in (InboxMessage, Payment, OutboxMessage)]
    assert after == before


def test_a_corrected_event_is_replayed(rows: dict[str, InboxMessage], tmp_path: Path) -> None:
    """From a file; who and why are kept."""
    code, printed = parked(
        "replay", rows["free"].id, "--value", correction(tmp_path), "--reason", "price agreed", "--yes"
    )
    payment = Payment.objects.get(subscription_id="sub_2")
    assert (code, printed) == (0, f"{rows['free'].id} is accepted: payment {payment.id}\n")
    row = InboxMessage.objects.get(id=rows["free"].id)
    assert (row.verdict, row.handled_by, row.handled_why) == ("accepted", "staff: command line", "price agreed")
    assert "Nothing is left to do." in parked("show", row.id)[1]
    assert "by staff: command line: price agreed" in parked("show", row.id)[1]


def test_several_at_once_tell_each_and_the_worst_is_the_exit_code(rows: dict[str, InboxMessage]) -> None:
    """1: nothing was done; 3: one couldn't be handled, or is still parked."""
    still = [rows["conflict"].id, rows["free"].id]
    code, printed = parked("replay", *still, "--reason", "x", "--yes")
    assert (code, printed.count("is still parked: product.price")) == (1, 2)
    code, printed = parked("dismiss", rows["paid"].id, *still, 999_999, "--reason", "a test", "--yes", "--json")
    outcomes = json.loads(printed)["records"]
    assert (code, [one["outcome"] for one in outcomes]) == (3, ["NotParked", "Dismissed", "Dismissed", "NotParked"])
    assert [outcomes[0]["text"], outcomes[3]["text"]] == ["isn't parked: its verdict is accepted", "isn't there"]
    assert set(InboxMessage.objects.filter(id__in=still).values_list("verdict", flat=True)) == {"dismissed"}


def test_a_duplicate_says_of_what(rows: dict[str, InboxMessage], clock: Clock, tmp_path: Path) -> None:
    """Nothing is charged, and it is off the list."""
    accept(record(event("sub_2"), at=clock.advance(minutes=1)), now=clock())
    payment = Payment.objects.get(subscription_id="sub_2")
    code, printed = parked("replay", rows["free"].id, "--value", correction(tmp_path), "--reason", "x", "--yes")
    assert (code, printed) == (
        0,
        f"{rows['free'].id} is a duplicate (its payment is under way): payment {payment.id}\n",
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["show", "999999"], "there is no record 999999"),
        (["replay", "1", "--yes"], "--yes needs a --reason: it is kept with every change"),
        (["list", "--limit", "-1"], "argument --limit: must be a whole number above 0"),
        (["dismiss", "1", "--reason", " "], "argument --reason: must not be empty"),
        (["replay", "1", "2", "--reason", "x", "--value", "/dev/null"], "--value is of one record: name one"),
        (["replay", "1", "--reason", "x", "--value", "/nowhere"], "--value: /nowhere can't be read"),
        (["list", "--since", "yesterday"], "argument --since: must be like 30m"),
        (["list", "--verdict", "accepted"], "argument --verdict: invalid choice"),
    ],
)
def test_a_wrong_argument_is_one_line(arguments: list[str], line: str) -> None:
    """It names what is wrong; exit code 1."""
    with pytest.raises(CommandError, match=line):
        parked(*arguments)
