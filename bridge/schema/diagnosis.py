"""What a value is that isn't an event, and the fix: for whoever sent it, in words that quote nothing of it.

Nothing here decides about anything: the value is refused already, and these are guesses by its look.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bridge.schema import binary

TOMBSTONE = (
    "value: is empty (a tombstone; NestJS sends one for an event that has a field named key at its top): "
    "send the event as a JSON object"
)
_SEND = "send the event as a JSON object"
# Of an event that has a field of that name, nothing else arrives.
_NEST_VALUE = "NestJS sends nothing but the field named value of an event that has one"

# Names of the contract, which may be quoted.
_NAMES = frozenset({"subId", "user", "id", "email", "paymentMethod", "customer", "product", "price", "currency"})
_TOP = ("subId", "user", "product")

# An event within something else: by the fields around it, what that is and the fix.
_ENVELOPES: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset({"specversion", "data"}),
        "is a CloudEvents envelope (structured mode): send what is in data, and the attributes as ce_… headers "
        "(binary mode)",
    ),
    (
        frozenset({"specversion", "data_base64"}),
        "is a CloudEvents envelope (structured mode) with Base64 in it: send the event as JSON, and the attributes "
        "as ce_… headers (binary mode)",
    ),
    (
        frozenset({"pattern", "data"}),
        "is an envelope of NestJS' other transports ({pattern, data}): emit the event itself, with ClientKafka",
    ),
    (
        frozenset({"schema", "payload"}),
        "is an envelope of Kafka Connect or Debezium ({schema, payload}): set value.converter.schemas.enable=false, "
        "so that the event comes alone",
    ),
    (
        frozenset({"before", "after", "op"}),
        "is a change of a database row, as Debezium tells it: send the event, for instance from an outbox table",
    ),
    (
        frozenset({"topic", "messages"}),
        "is what kafkajs is called with ({topic, messages}): send what is in a message's value, one record for each",
    ),
    (
        frozenset({"value"}),
        "is a whole Kafka message with the event in its field named value: send what is in that field alone",
    ),
)
# Other fields in which an event was found; no other name is quoted.
_WRAPPERS = ("data", "payload", "event", "message", "body", "detail", "content", "record", "after")

_OBJECT_OBJECT = re.compile(r'"?\[object \w+\](,\[object \w+\])*"?')
_BASE64 = re.compile(r"eyJ[\w+/=-]*")
_TOKEN = re.compile(r"eyJ[\w-]*\.[\w-]*\.[\w-]*")
_FORM = re.compile(r"[\w.\[\]%+-]+=[^&\s]*(&[\w.\[\]%+-]+=[^&\s]*)*")
_LITERAL = re.compile(r"-?(undefined|None|True|False|NaN|nan|inf|Infinity|NULL|nil)\b")
_BARE_NAME = re.compile(r"[A-Za-z_$]")


class NotUnderstood(ValueError):
    """The value isn't an event; the text says why."""


def why_not_json(value: bytes) -> str:
    """Of a value that `json.loads` doesn't read."""
    found = binary.what_is(value)
    if found:
        return f"value: {found}"
    try:
        return f"value: {_why_no_json_text(value.decode())}"
    except UnicodeDecodeError:
        return f"value: {binary.why_not_utf8(value)}"


def why_not_object(parsed: Any) -> str:
    """Of a JSON value that isn't an object."""
    match parsed:
        case list():
            return f"value: {_why_list(parsed)}"
        case str():
            return f"value: {_why_text(parsed)}"
        case None:
            return f"value: is null: {_SEND}"
        case bool():
            return f"value: is true or false ({_NEST_VALUE}): {_SEND}"
        case _:
            return f"value: is a number ({_NEST_VALUE}): {_SEND}"


def why_not_event(parsed: Mapping[str, Any]) -> str:
    """Of an object that has none of an event's fields; empty if that isn't so: the fields tell more."""
    if not parsed or any(name in parsed for name in _TOP):
        return ""
    for names, text in _ENVELOPES:
        if names <= parsed.keys():
            return f"value: {text}"
    for name, inner in parsed.items():
        if _is_event(inner):
            field = f"its field {name}" if name in _WRAPPERS else "one of its fields"
            return f"value: is an object with the event in {field}: send the event alone"
    return f"value: is an object without subId, user and product ({_NEST_VALUE}): send the event as documented"


def why_ambiguous(names: Sequence[str]) -> str:
    """Of an object in which a name comes twice."""
    twice = sorted({name for name in names if names.count(name) > 1} & _NAMES)
    subject = f"{twice[0]}: comes" if twice else "value: has a name that comes"
    return f"{subject} twice in one object, and nobody can tell which is meant: send it once"


def _is_event(inner: Any) -> bool:
    if isinstance(inner, str):
        inner = _loaded(inner)
    return isinstance(inner, dict) and "subId" in inner and ("user" in inner or "product" in inner)


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _why_list(parsed: list[Any]) -> str:
    if not parsed or not all(isinstance(one, dict) for one in parsed):
        return f"is a list: {_SEND}"
    if len(parsed) == 1:
        return "is a list with one object in it: send that object alone"
    return f"is a list of {len(parsed)} objects: send one record for each event"


def _why_text(text: str) -> str:
    if isinstance(_loaded(text), dict | str):
        return "is JSON within a JSON text (encoded twice): send the object itself"
    return _why_odd_text(text.strip()) or f"is a JSON text ({_NEST_VALUE}): {_SEND}"


def _why_odd_text(text: str) -> str:
    """Of text that was never meant to be JSON; empty for all other."""
    if _OBJECT_OBJECT.fullmatch(text):
        return (
            "is the text [object Object], which JavaScript (and NestJS 10, of a class instance) makes of an object: "
            "emit a plain object, or JSON.stringify it"
        )
    if _TOKEN.fullmatch(text):
        return f"is a token (JWT): {_SEND}"
    if _BASE64.fullmatch(text):
        return "is JSON in Base64: send the JSON itself"
    if text.startswith("<"):
        return f"is XML or HTML: {_SEND}"
    if _FORM.fullmatch(text):
        return f"is a form (name=value&…): {_SEND}"
    return ""


def _why_no_json_text(text: str) -> str:
    if text.startswith("\ufeff"):
        return "starts with a byte order mark: send UTF-8 without it"
    if not text.strip():
        return f"is nothing but white space: {_SEND}"
    if odd := _why_odd_text(text.strip()):
        return odd
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return _why_at(error, text)
    return f"is not JSON: {_SEND}"


def _why_at(error: json.JSONDecodeError, text: str) -> str:
    """By what stands where the reader stopped."""
    place, rest = error.pos, text[error.pos :]
    at = f"(at character {place})"
    if error.msg.startswith("Extra data"):
        if rest.startswith("{") and text.lstrip().startswith("{"):
            return "has several JSON objects, one after the other: send one record for each event"
        return f"has something behind the JSON {at}: {_SEND} and nothing else"
    if error.msg.startswith("Invalid control character"):
        return f"has a line break or another control character within a text {at}: write it as \\n or the like"
    if error.msg.startswith("Invalid \\"):
        return f"has a backslash in a text that begins nothing JSON knows {at}: write it as \\\\"
    if error.msg.startswith("Unterminated string") or not rest.strip():
        return f"ends in the middle, as if cut off {at}: send the whole event"
    return _why_token(rest, before=text[:place].rstrip()[-1:], at=at)


def _why_token(rest: str, *, before: str, at: str) -> str:
    if literal := _LITERAL.match(rest):
        return f"contains {literal[0]}, which is not JSON {at}: leave the field out, or send null, true or false"
    if (before == "," and rest[0] in "}]") or re.match(r",\s*[}\]]", rest):
        return f"has a comma before a closing bracket {at}: leave it out"
    if rest[0] == "'":
        return f"has texts in single quotes, as Python's str() and JavaScript write them {at}: use double quotes"
    if rest[0] in "“”„«‘’`":
        return f'has texts in typographic quotes {at}: use plain double quotes (")'
    if rest.startswith(("//", "/*", "#")):
        return f"has a comment {at}: JSON has none"
    if before and before in "{," and _BARE_NAME.match(rest):
        return f"has a name without quotes, as JavaScript writes it {at}: send JSON"
    return f"is not JSON {at}: {_SEND}"
