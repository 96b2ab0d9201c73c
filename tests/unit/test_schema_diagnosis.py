"""What isn't an event at all: each thing that producers send instead is named, with the fix, and nothing is quoted."""

import base64
import gzip
import json
import zlib

import pytest

from bridge.schema import MAX_VALUE
from tests.unit.events import event, priced, reason, short, understood

SEND = "send the event as a JSON object"
TOO_MANY_DIGITS = "has a number of thousands of digits: send numbers as documented"
OUT_OF_RANGE = "has a number that is out of range: send numbers as documented"
PLAIN = "send plain JSON in UTF-8"
COMPRESSED = f"{PLAIN} (compression.type of the producer compresses batches and is no trouble)"
NEST_VALUE = "NestJS sends nothing but the field named value of an event that has one"
TOMBSTONE = (
    "is empty (a tombstone; NestJS sends one for an event that has a field named key at its top): "
    "send the event as a JSON object"
)
DEEP = "is nested too deeply: send the event as documented"
REGISTRY = (
    "begins with the magic byte 0 of a schema registry: an Avro, Protobuf or JSON Schema serialiser wrote it: "
    f"{PLAIN} with a string serialiser"
)
OBJECT_OBJECT = (
    "is the text [object Object], which JavaScript (and NestJS 10, of a class instance) makes of an object: "
    "emit a plain object, or JSON.stringify it"
)
BINARY = f"is binary and not text: {PLAIN}"
TWICE = "comes twice in one object, and nobody can tell which is meant: send it once"
OTHER = f"is an object without subId, user and product ({NEST_VALUE}): send the event as documented"
SINGLE_QUOTES = (
    "has texts in single quotes, as Python's str() and JavaScript write them (at character 1): use double quotes"
)
CLOUD_EVENT = (
    "is a CloudEvents envelope (structured mode): send what is in data, and the attributes as ce_… headers "
    "(binary mode)"
)
CONNECT = (
    "is an envelope of Kafka Connect or Debezium ({schema, payload}): set value.converter.schemas.enable=false, "
    "so that the event comes alone"
)
NEST = "is an envelope of NestJS' other transports ({pattern, data}): emit the event itself, with ClientKafka"
MESSAGE = "is a whole Kafka message with the event in its field named value: send what is in that field alone"

TEXT = event().decode()
EVENT = json.loads(TEXT)
CYRILLIC = json.dumps(EVENT | {"name": "Айгүл Сәрсен".replace("ү", "у").replace("ә", "а")}, ensure_ascii=False)
PROTOBUF = b"\x0a\x05sub_1\x12\x0d\x0a\x03u_1\x12\x06a@b.kz\x18\x01\x20\x64"
MESSAGEPACK = b"\x83\xa5subId\xa5sub_1\xa4user\x81\xa2id\x01\xa7product\x80"


def cut(value: bytes, mark: str) -> bytes:
    """The value up to a mark, and with it."""
    return value[: value.index(mark.encode()) + len(mark)]


def wrapped(**fields: object) -> bytes:
    """An object with these fields."""
    return json.dumps(fields).encode()


NOTHING_OR_TOO_MUCH: list[tuple[bytes | None, str]] = [
    (None, TOMBSTONE),
    (b"", TOMBSTONE),
    (b" \n", f"is nothing but white space: {SEND}"),
    (b'"' + b"x" * MAX_VALUE, "has 262,145 bytes, and an event has 262,144 at most: send the event as documented"),
    (b"[" * 100_000, DEEP),
    (b'{"a":' * 50_000, DEEP),
    (json.dumps("[" * 50_000).encode(), f"is a JSON text ({NEST_VALUE}): {SEND}"),
]
BYTES: list[tuple[bytes, str]] = [
    (gzip.compress(event(), mtime=0), f"is compressed with gzip: {COMPRESSED}"),
    (zlib.compress(event()), f"is compressed with zlib (deflate): {COMPRESSED}"),
    (zlib.compress(event(), 9), f"is compressed with zlib (deflate): {COMPRESSED}"),
    (zlib.compress(event(), 1), f"is compressed with zlib (deflate): {COMPRESSED}"),
    (b"\x28\xb5\x2f\xfd\x20\x05", f"is compressed with zstd: {COMPRESSED}"),
    (b"\x04\x22\x4d\x18\x60\x40", f"is compressed with lz4: {COMPRESSED}"),
    (b"\x82SNAPPY\0\0\0\0\1", f"is compressed with snappy: {COMPRESSED}"),
    (b"\0\0\0\0\7\x0asub_1\x06u_1", REGISTRY),
    (b"\0\0\0\0\7" + event(), REGISTRY),
    (b"Obj\x01\x04", f"is an Avro file: {PLAIN}"),
    (b"\xac\xed\0\x05t\0\5sub_1", f"is a serialised Java object: {PLAIN}, for instance with Kafka's StringSerializer"),
    (PROTOBUF, f"looks like Protocol Buffers: {PLAIN}"),
    (PROTOBUF[:-1], BINARY),
    (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", BINARY),
    (MESSAGEPACK, f"is binary with names of fields in it (MessagePack, CBOR or BSON by its look): {PLAIN}"),
    (b"\x8a\x01\x02", BINARY),
    (b"\0", BINARY),
    (b"\x01\x02\x03", BINARY),
    (b"\x89PNG\r\n\x1a\n", BINARY),
]
ENCODINGS: list[tuple[bytes, str]] = [
    (b"\xef\xbb\xbf" + event(), "starts with a byte order mark: send UTF-8 without it"),
    (b"\xff\xfe" + TEXT.encode("utf-16-le"), f"is text in UTF-16, little-endian (byte order mark): {PLAIN}"),
    (b"\xfe\xff" + TEXT.encode("utf-16-be"), f"is text in UTF-16, big-endian (byte order mark): {PLAIN}"),
    (TEXT.encode("utf-32"), f"is text in UTF-32 (byte order mark): {PLAIN}"),
    (TEXT.encode("utf-16-le"), f"is text in UTF-16: {PLAIN}"),
    (TEXT.encode("utf-16-be"), f"is text in UTF-16: {PLAIN}"),
    (TEXT.encode("utf-32-be"), f"is text in UTF-32: {PLAIN}"),
    (TEXT.encode("utf-32-le"), f"is text in UTF-32: {PLAIN}"),
    (CYRILLIC.encode("cp1251"), "is JSON, but not in UTF-8 (Windows-1251 by its look): send it in UTF-8"),
    (
        TEXT.replace("u_1", "é").encode("latin-1"),
        "is JSON, but not in UTF-8 (Latin-1 or Windows-1252 by its look): send it in UTF-8",
    ),
    (b"{subId: \xe9}", "is not UTF-8 text: send JSON in UTF-8"),
    (b'{"subId": "\xed\xa0\x80"', "is not UTF-8 text: send JSON in UTF-8"),
    (b'{"subId": "\xd0', "ends in the middle of a character, as if cut off: send the whole event"),
]
TEXTS: list[tuple[bytes, str]] = [
    (b"[object Object]", OBJECT_OBJECT),
    (b'"[object Object]"', OBJECT_OBJECT),
    (b"[object Object],[object Object]", OBJECT_OBJECT),
    (base64.b64encode(event()), "is JSON in Base64: send the JSON itself"),
    (b'"' + base64.b64encode(event()) + b'"', "is JSON in Base64: send the JSON itself"),
    (b"eyJhbGciOiJub25lIn0.eyJzdWJJZCI6MX0.", f"is a token (JWT): {SEND}"),
    (b"<event><subId>1</subId></event>", f"is XML or HTML: {SEND}"),
    (b"subId=sub_1&user%5Bid%5D=u_1", f"is a form (name=value&…): {SEND}"),
    (b"hello", f"is not JSON (at character 0): {SEND}"),
    (b"subId: sub_1\nuser:\n", f"is not JSON (at character 0): {SEND}"),
    (json.dumps(TEXT).encode(), "is JSON within a JSON text (encoded twice): send the object itself"),
    (json.dumps(json.dumps(TEXT)).encode(), "is JSON within a JSON text (encoded twice): send the object itself"),
    (b'"hello"', f"is a JSON text ({NEST_VALUE}): {SEND}"),
    (b"100", f"is a number ({NEST_VALUE}): {SEND}"),
    (b"-1.5", f"is a number ({NEST_VALUE}): {SEND}"),
    (b"true", f"is true or false ({NEST_VALUE}): {SEND}"),
    (b"null", f"is null: {SEND}"),
    (b"[]", f"is a list: {SEND}"),
    (b"[1, {}]", f"is a list: {SEND}"),
    (b"[" + event() + b"]", "is a list with one object in it: send that object alone"),
    (b"[" + event() + b"," + event() + b"]", "is a list of 2 objects: send one record for each event"),
    (
        event() + b"\n" + event() + b"\n",
        "has several JSON objects, one after the other: send one record for each event",
    ),
    (event() + event(), "has several JSON objects, one after the other: send one record for each event"),
]
NEARLY_JSON: list[tuple[bytes, str]] = [
    (event() + b",", f"has something behind the JSON (at character {len(event())}): {SEND} and nothing else"),
    (event() + b"\0", f"has something behind the JSON (at character {len(event())}): {SEND} and nothing else"),
    (event()[:-1], f"ends in the middle, as if cut off (at character {len(event()) - 1}): send the whole event"),
    (cut(event(), "sub"), "ends in the middle, as if cut off (at character 1): send the whole event"),
    (cut(event(), "pri"), f"ends in the middle, as if cut off (at character {event().index(b'price') - 1}): "
     "send the whole event"),
    (b'{"subId": 1,}', "has a comma before a closing bracket (at character 12): leave it out"),
    (b'{"subId": [1, ]}', "has a comma before a closing bracket (at character 14): leave it out"),
    (b"{'subId': 1}", SINGLE_QUOTES),
    (str(EVENT).encode(), SINGLE_QUOTES),
    ("{“subId”: 1}".encode(), 'has texts in typographic quotes (at character 1): use plain double quotes (")'),
    (b"{subId: 1}", "has a name without quotes, as JavaScript writes it (at character 1): send JSON"),
    (b'{"subId": 1, user: {}}', "has a name without quotes, as JavaScript writes it (at character 13): send JSON"),
    (b'{"subId": 1 // one\n}', "has a comment (at character 12): JSON has none"),
    (b'{"subId": 1 "user": 2}', f"is not JSON (at character 12): {SEND}"),
    (b'{"a": "\x00"}', "has a line break or another control character within a text (at character 7): "
     "write it as \\n or the like"),
    (b'{"a": "\n"}', "has a line break or another control character within a text (at character 7): "
     "write it as \\n or the like"),
    (b'{"a": "C:\\dir"}', "has a backslash in a text that begins nothing JSON knows (at character 9): "
     "write it as \\\\"),
    *(
        (
            priced(literal),
            f"contains {literal}, which is not JSON (at character {event().index(b'100')}): "
            "leave the field out, or send null, true or false",
        )
        for literal in ("undefined", "None", "True", "nan", "-inf")
    ),
    (priced("NaN"), "contains NaN, which is not JSON: send a number"),
    (priced("Infinity"), "contains Infinity, which is not JSON: send a number"),
    (priced("-Infinity"), "contains -Infinity, which is not JSON: send a number"),
    (priced("9" * 5000), TOO_MANY_DIGITS),
    (event(extra=1).replace(b'"extra": 1', b'"extra": ' + b"1" * 5000), TOO_MANY_DIGITS),
    (priced("1e99999999999999999999"), OUT_OF_RANGE),
    (priced("1e-99999999999999999999"), OUT_OF_RANGE),
    (priced("[0e99999999999999999999]"), OUT_OF_RANGE),
    (b'{"extra": -1.5E+99999999999999999999}', OUT_OF_RANGE),
    (b'{"user": {"extra": [1e99999999999999999999]}}', OUT_OF_RANGE),
]  # fmt: skip
ENVELOPES: list[tuple[bytes, str]] = [
    (wrapped(specversion="1.0", id="1", type="payment.createInitial", data=EVENT), CLOUD_EVENT),
    (wrapped(specversion="1.0", data_base64="e30="),
     "is a CloudEvents envelope (structured mode) with Base64 in it: send the event as JSON, and the attributes as "
     "ce_… headers (binary mode)"),
    (wrapped(pattern="payment.createInitial", data=EVENT), NEST),
    (wrapped(pattern="payment.createInitial", data=EVENT, id="1"), NEST),
    (wrapped(schema={"type": "struct"}, payload=EVENT), CONNECT),
    (wrapped(schema=None, payload=TEXT), CONNECT),
    (wrapped(before=None, after=EVENT, op="c"),
     "is a change of a database row, as Debezium tells it: send the event, for instance from an outbox table"),
    (wrapped(topic="payment.createInitial", messages=[{"value": TEXT}]),
     "is what kafkajs is called with ({topic, messages}): send what is in a message's value, one record for each"),
    (wrapped(key="1", value=EVENT, headers={}), MESSAGE),
    (wrapped(value=TEXT), MESSAGE),
    (wrapped(payload=EVENT), "is an object with the event in its field payload: send the event alone"),
    (wrapped(data=TEXT), "is an object with the event in its field data: send the event alone"),
    (wrapped(secret=EVENT), "is an object with the event in one of its fields: send the event alone"),
    (wrapped(amount=1), OTHER),
    (wrapped(data={"subId": 1}), OTHER),
]  # fmt: skip
ALL = [*NOTHING_OR_TOO_MUCH, *BYTES, *ENCODINGS, *TEXTS, *NEARLY_JSON, *ENVELOPES]


@pytest.mark.parametrize(("value", "expected"), ALL, ids=short)
def test_what_is_no_event_at_all_is_told_why(value: bytes | None, expected: str) -> None:
    """Whatever bytes arrive, they become a reason that names them and the fix, and never an exception."""
    assert reason(value) == f"value: {expected}"


@pytest.mark.parametrize(
    ("value", "subject"),
    [
        (event().replace(b'"price": 100', b'"price": 100, "price": 200'), "price: "),
        (event().replace(b'"price": 100', b'"price": 100, "price": 100'), "price: "),
        (event().replace(b'"subId"', b'"subId": 1, "subId"'), "subId: "),
        (event(user__extra=0).replace(b'"extra": 0', b'"extra": {"a": 1, "a": 2}'), "value: has a name that "),
    ],
    ids=short,
)
def test_a_name_that_comes_twice_is_refused(value: bytes, subject: str) -> None:
    """P1, P3: which price is meant? Readers differ in which they take, so nobody is charged before it is clear."""
    assert reason(value) == subject + TWICE


def test_an_event_that_also_has_fields_of_an_envelope_is_an_event() -> None:
    """Only where nothing of an event is at the top is something else looked for."""
    assert understood(event(specversion="1.0", data={}, value=1, payload=2, key=3)) == understood(event())
    assert reason(b'{"subId": 1, "value": {}}') == "user: is missing; product: is missing"
    assert reason(b"{}") == "subId: is missing; user: is missing; product: is missing"


def test_a_value_of_the_greatest_size_is_understood() -> None:
    """The limit is the last size that goes."""
    room = MAX_VALUE - len(event(more=""))
    assert len(event(more="x" * room)) == MAX_VALUE
    assert understood(event(more="x" * room)) == understood(event())


@pytest.mark.parametrize("canary", ["canary", "Айгуль"])
@pytest.mark.parametrize(
    "frame",
    [
        *('"%s"', "['%s']", '{"%s": 1}', '{"%s": 1, "%s": 2}', "%s", "%s=1", "{%s: 1}", '{"a": %s}', "<%s>"),
        *('{"%s": {"subId": 1, "user": 2}}', '[{"%s": 1}, 2]', '{"a": "%s', '"{\\"a\\": \\"%s\\"}"', '{} "%s"'),
    ],
)
def test_no_guess_quotes_what_was_sent(canary: str, frame: str) -> None:
    """A reason is read by people who may not see personal data."""
    value = frame.replace("%s", canary)
    for codec in ("utf-8", "utf-16", "cp1251"):
        assert canary not in reason(value.encode(codec))
