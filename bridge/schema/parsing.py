"""Bytes to a JSON object, or to the reason why they are none.

The way of an honest event is short; what is said about all others is found out only when it is needed.
"""

import json
import math
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from bridge.schema import diagnosis
from bridge.schema.diagnosis import NotUnderstood

# Hundreds of times an honest event, and a fourth of what Kafka lets through by default.
MAX_VALUE = 256 * 1024
# Far above any honest event, far below what exhausts the stack of whoever writes it out again.
MAX_DEPTH = 32

# What neither UTF-8 nor jsonb can hold.
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
_HALF = re.compile(r"[\ud800-\udfff]")


def parse(value: bytes | None) -> dict[str, Any]:
    """The object that a value holds, fractions as Decimal. Raises `NotUnderstood`."""
    if not value:
        raise NotUnderstood(diagnosis.TOMBSTONE)
    if len(value) > MAX_VALUE:
        raise NotUnderstood(
            f"value: has {len(value):,} bytes, and an event has {MAX_VALUE:,} at most: send the event as documented"
        )
    try:
        parsed = _JSON.decode(value.decode())
    except NotUnderstood:
        raise
    except RecursionError:
        raise NotUnderstood("value: is nested too deeply: send the event as documented") from None
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise NotUnderstood(diagnosis.why_not_json(value)) from None
    except ValueError:
        raise NotUnderstood("value: has a number of thousands of digits: send numbers as documented") from None
    if not isinstance(parsed, dict):
        raise NotUnderstood(diagnosis.why_not_object(parsed))
    return parsed


def storable(user: dict[str, Any]) -> dict[str, Any]:
    """The user as it is kept and sent on: in jsonb, and as JSON with floats. Raises `NotUnderstood`."""
    try:
        kept: dict[str, Any] = _storable(user, 0)
    except NotUnderstood:
        if any(_HALF.search(name) for name in user):
            raise NotUnderstood("user: contains half a character (a lone surrogate): send well-formed text") from None
        raise
    return kept


def _storable(value: Any, depth: int) -> Any:
    if depth >= MAX_DEPTH:
        raise NotUnderstood("user: is nested too deeply: send the event as documented")
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            raise NotUnderstood("user: contains NUL or half a character (a lone surrogate): send well-formed text")
    elif isinstance(value, dict):
        return {_storable(name, depth + 1): _storable(inner, depth + 1) for name, inner in value.items()}
    elif isinstance(value, list):
        return [_storable(inner, depth + 1) for inner in value]
    elif isinstance(value, Decimal):
        number = float(value)
        if not math.isfinite(number):
            raise NotUnderstood("user: has a number that is out of range: send those of a double, or text")
        return number
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotUnderstood(diagnosis.why_ambiguous([name for name, _ in pairs]))
    return found


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise NotUnderstood("value: has a number that is out of range: send numbers as documented") from None


def _no_constant(name: str) -> Any:
    raise NotUnderstood(f"value: contains {name}, which is not JSON: send a number")


# Made once: to make it costs more than to read an event.
_JSON = json.JSONDecoder(object_pairs_hook=_object, parse_float=_decimal, parse_constant=_no_constant)
