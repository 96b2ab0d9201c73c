"""A card number that somebody sends is nowhere afterwards: no table, no topic, no log has it."""

import json
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection

from bridge import relay
from bridge.kafka import Sink
from payments.intake import Record, Rejection
from payments.intake.stored import MAX_STORED
from payments.models import InboxMessage, OutboxMessage, Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.kafka_client import all_lines, make_all_topics, name_topics, wait_until

VISA = "4242424242424242"
GROUPED = "4242 4242 4242 4242"
MASKED = "424242******4242"
ZEROED = "4242420000004242"

CARDS_EVERYWHERE: Any = {"note": f"card {VISA}", "list": [GROUPED, int(VISA)], VISA: {"deep": VISA}}


def user(**extra: Any) -> dict[str, Any]:
    """An event whose user has these fields, too."""
    sent = event()
    sent["user"] |= extra
    return sent


def everything() -> str:
    """All rows of all tables, bytes as text."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL bytea_output = 'escape'")
        found = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT row_to_json(t)::text FROM "{table}" t')  # noqa: S608
            found += [row[0] for row in cursor.fetchall()]
    return "\n".join(found)


def unhidden(text: str) -> list[str]:
    """The digits of the card number that follow each other, whatever is between; what is masked has six in a row."""
    return [number for number in (VISA, GROUPED, VISA[:11]) if number in text]


@pytest.mark.django_db
def test_an_event_with_card_numbers_is_charged_and_keeps_none(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """What is kept of the user, and goes out again, is masked; so are the record's key, value and headers."""
    accept(
        keyed(user(**CARDS_EVERYWHERE), clock, key=VISA.encode(), headers=(("x-card", VISA.encode()), (VISA, None))),
        now=clock(),
    )
    payment = Payment.objects.get()
    assert payment.user_as_sent == {
        "id": "u_1", "email": "a@b.kz", "note": f"card {MASKED}", "list": ["4242 42** **** 4242", int(ZEROED)],
        MASKED: {"deep": MASKED},
    }  # fmt: skip
    row = InboxMessage.objects.get()
    assert bytes(row.key or b"") == MASKED.encode()
    assert json.loads(bytes(row.value or b""))["user"]["list"] == ["4242 42** **** 4242", int(ZEROED)]
    assert row.headers == [["x-card", "NDI0MjQyKioqKioqNDI0Mg=="], [MASKED, None]]
    assert unhidden(everything()) == []
    assert unhidden(str(all_lines(caplog))) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "value",
    [
        GROUPED.encode(),
        f'{{"paymentMethod": {VISA}}}'.encode(),
        f"number={VISA}".encode(),
        f'{{"card": "{VISA}"}}'.encode("utf-16"),
        b"\x0a\x10" + VISA.encode(),
        json.dumps(event(method=VISA)).encode(),
        json.dumps(event(customer=VISA)).encode(),
        json.dumps(event(VISA, price=-1)).encode(),
        json.dumps(event(user=VISA, currency="?")).encode(),
    ],
)
def test_a_parked_record_keeps_none_and_its_dead_letter_neither(value: bytes, clock: Clock) -> None:
    """Whatever is wrong with it; and only of a well-formed event are there ids to be let be."""
    accept(keyed(value, clock, key=VISA.encode()), now=clock())
    row, letter = InboxMessage.objects.get(), OutboxMessage.objects.get()
    assert (row.verdict, bytes(row.value or b"")) == ("invalid", bytes(letter.value or b""))
    assert unhidden(everything().replace("\\\\000", "")) == []


@pytest.mark.django_db
def test_ids_that_look_like_card_numbers_stay_what_they_are(clock: Clock) -> None:
    """P1: one number in ten of 16 digits has a right check digit. Masked, somebody else would pay, or twice."""
    user_id, address, event_id = 5105105105105100, "5555555555554444@b.kz", "378282246310005"
    sent = event(VISA, user=user_id)
    sent["user"] |= {"email": address, "note": "6011111111111117"}
    accept(keyed(sent, clock, headers=(("ce_id", event_id.encode()),)), now=clock())
    payment, row = Payment.objects.get(), InboxMessage.objects.get()
    assert (payment.subscription_id, payment.user_id, payment.email) == (VISA, str(user_id), address)
    assert payment.user_as_sent == {"id": user_id, "email": address, "note": "601111******1117"}
    kept = json.loads(bytes(row.value or b""))
    assert (kept["subId"], kept["user"]["id"], kept["user"]["email"]) == (VISA, user_id, address)
    assert kept["user"]["note"] == "601111******1117"
    assert (row.event_id, row.headers) == (event_id, [["ce_id", "Mzc4MjgyMjQ2MzEwMDA1"]])


@pytest.mark.django_db
def test_an_address_without_an_at_is_no_address(clock: Clock) -> None:
    """Who puts a card number in the place of the e-mail loses an e-mail and not a card."""
    sent = event()
    sent["user"]["email"] = GROUPED
    accept(keyed(sent, clock), now=clock())
    payment = Payment.objects.get()
    assert payment.email == payment.user_as_sent["email"] == "4242 42** **** 4242"
    assert unhidden(everything()) == []


@pytest.mark.django_db
def test_a_masked_record_is_still_known_by_what_came(clock: Clock) -> None:
    """P1: its identity is the hash of the bytes that were delivered; two that differ in what is masked are two."""
    first = keyed(user(card=VISA), clock)
    again = accept(first, first, now=clock())
    assert again.counts == {"known": 1, "accepted": 1}
    assert accept(first, now=clock()).counts == {"known": 1}
    other = keyed(user(card="4242421111114242"), clock, offset=first.offset)
    assert accept(other, now=clock()).counts["known"] == 0


@pytest.mark.django_db
def test_what_is_longer_than_anybody_reads_is_cut(clock: Clock) -> None:
    """The inbox has the first megabyte, the letter a quarter of it; and a card number is not saved by the cut."""
    value = b"x" * (MAX_STORED - 11) + b" " + VISA.encode() + b" " + b"y" * 99
    accept(keyed(value, clock, key=b"k" * 10_000), now=clock())
    row, letter = InboxMessage.objects.get(), OutboxMessage.objects.get()
    assert row.reason.startswith("value: has 1,048,682 bytes, and an event has 262,144 at most")
    assert bytes(row.value or b"").endswith(b"x 424242****")
    assert (len(row.value or b""), len(letter.value or b""), len(letter.key or b"")) == (MAX_STORED, 262_144, 4_096)
    assert bytes(row.value or b"").startswith(bytes(letter.value or b""))


@pytest.mark.django_db
def test_a_dead_letters_headers_are_short(clock: Clock) -> None:
    """Kafka limits a record with its headers; a reason is whole in the inbox."""
    reason = f"value: {'x' * 5_000} {VISA}"
    accept(replace(keyed(VISA.encode(), clock), wish=Rejection(reason=reason)), now=clock())
    assert InboxMessage.objects.get().reason == reason.replace(VISA, MASKED)
    assert OutboxMessage.objects.get().headers["exception-message"] == reason[:1_000]


@pytest.mark.django_db(transaction=True)
def test_the_dead_letter_topic_never_sees_one(settings: Any, clock: Clock) -> None:
    """On a real broker: key, value and headers, byte for byte, also of a tombstone."""
    neighbour = make_all_topics(name_topics(settings), partitions=1)
    settings.KAFKA_TOPIC_DEAD_LETTERS = neighbour.dead_letters
    binary = b"\xff\0" + VISA.encode() + b"\x0a"
    accept(
        keyed(binary, clock, key=b"\0" + VISA.encode()),
        keyed(None, clock, key=GROUPED.encode()),
        keyed(event(price=0), clock),
        now=clock(),
    )
    sink = Sink()
    try:
        sink.open()
        assert relay.run_once(sink=sink) == 3
    finally:
        sink.close()
    topic = neighbour.dead_letters
    # Kafka answers a commit a moment before its readers see what was committed.
    wait_until(lambda: len(neighbour.records(topic)) == 3, what="the letters can be read")
    assert [(one.key, one.value) for one in neighbour.records(topic)] == [
        (b"\0" + MASKED.encode(), b"\xff\0" + MASKED.encode() + b"\x0a"),
        (b"4242 42** **** 4242", None),
        (None, json.dumps(event(price=0)).encode()),
    ]


def keyed(
    value: dict[str, Any] | bytes | None,
    clock: Clock,
    *,
    key: bytes | None = None,
    headers: tuple[tuple[str, bytes | None], ...] = (),
    offset: int | None = None,
) -> Record:
    """A record with a key."""
    return replace(record(value, at=clock(), headers=headers, offset=offset), key=key)
