"""What is kept of the user can be stored and sent on as it came; what can't be is refused before it is kept."""

import json
from typing import Any

import pytest

from bridge import schema
from tests.unit.events import event, reason, short, understood

NO_TEXT = "user: contains NUL or half a character (a lone surrogate): send well-formed text"
NO_NAME = "user: contains half a character (a lone surrogate): send well-formed text"
OUT_OF_RANGE = "user: has a number that is out of range: send those of a double, or text"
TOO_DEEP = "user: is nested too deeply: send the event as documented"


def lists(levels: int) -> Any:
    """So many lists, one in the other."""
    return json.loads("[" * levels + "]" * levels)


def objects(levels: int) -> Any:
    """So many objects, one in the other."""
    return json.loads('{"a": ' * (levels - 1) + "{}" + "}" * (levels - 1))


def with_number(path: str, literal: str) -> bytes:
    """The example with this number at the path, letter for letter."""
    return event(**{path: ["here"]}).replace(b'"here"', literal.encode())


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800", "a\udfff", "\ude42\ud83d"], ids=ascii)
def test_a_text_that_nothing_can_store_is_refused_wherever_the_user_has_it(text: str) -> None:
    """PostgreSQL holds no NUL and UTF-8 no half character, whether in a value or in a name, at any depth."""
    for extra in (text, [text], {"a": [{"b": text}]}, {text: 1}, [{"a": {text: None}}]):
        assert reason(event(user__extra=extra)) == NO_TEXT


def test_a_name_of_the_users_own_fields_must_be_text_too() -> None:
    """The same promise one level up, in words that name what is wrong and never what was sent."""
    assert reason(event(**{"user__a\ud800": 1})) == NO_NAME
    assert reason(event(**{"user__a\x00": 1})) == NO_TEXT


@pytest.mark.parametrize("literal", ["1e400", "-1e400", "1.5E+309", "9" * 400 + ".5"], ids=short)
def test_a_number_beyond_what_a_double_holds_is_refused_in_the_user(literal: str) -> None:
    """It would go out as Infinity, which is not JSON."""
    assert reason(with_number("user__extra", literal)) == OUT_OF_RANGE
    assert reason(with_number("user__extra", f'{{"a": [{literal}]}}')) == OUT_OF_RANGE


@pytest.mark.parametrize("nested", [lists, objects])
def test_a_user_may_be_nested_as_deep_as_anybody_needs_and_no_deeper(nested: Any) -> None:
    """32 levels, the user among them: far below what exhausts whoever writes it out again."""
    deepest = nested(schema.MAX_DEPTH - 1)
    assert schema.MAX_DEPTH == 32
    assert understood(event(user__extra=deepest)).user_as_sent["extra"] == deepest
    for levels in (schema.MAX_DEPTH, schema.MAX_DEPTH + 1, 500):
        assert reason(event(user__extra=nested(levels))) == TOO_DEEP


def test_a_value_in_the_deepest_object_counts_as_a_level() -> None:
    """A level is whatever lies one deeper, a list or a text."""
    inmost = json.loads("[" * 30 + '"x"' + "]" * 30)
    assert understood(event(user__extra=inmost)).user_as_sent["extra"] == inmost
    assert reason(event(user__extra=[inmost])) == TOO_DEEP


@pytest.mark.parametrize("path", ["extra", "product__extra"])
@pytest.mark.parametrize(
    "odd",
    ['"\\u0000"', '"\\ud800"', '{"\\ud800": 1}', "1e400", "[" * 40 + "]" * 40],
    ids=["nul", "half", "name", "inf", "deep"],
)
def test_what_is_not_kept_may_be_anything(path: str, odd: str) -> None:
    """Outside the user, unknown fields are read and forgotten."""
    assert understood(with_number(path, odd)) == understood(event())


def test_whatever_is_understood_can_be_sent_on() -> None:
    """Whole characters of all planes, long numbers and control characters are fine, and stay what they are."""
    extra = {"🙂": "🙂\n\x7f", "half": 0.5, "most": 1.7976931348623157e308, "long": 10**400, "none": None, "yes": True}
    sent = event(user__extra=extra)
    assert b"\\ud83d\\ude42" in sent
    kept = understood(sent).user_as_sent
    assert kept["extra"] == extra
    assert json.loads(json.dumps(kept, ensure_ascii=False, allow_nan=False).encode().decode()) == kept
