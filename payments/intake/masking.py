"""Card numbers must never be kept: found and masked, first six and last four digits left, in whatever came in.

A card number is 13 to 19 digits that satisfy the check digit (Luhn) and begin as an issuer's do, in one piece or
in groups with a space or a dash between, and not part of a longer number or word. One number in ten satisfies it
by chance: so ids that decide who pays, and the address that is told, are let be (`but`).
"""

import re
from bisect import bisect
from collections.abc import Collection, Iterator
from itertools import accumulate
from typing import Any

# What may stand between two digits: a space or a dash, no-break spaces included, also as JSON escapes them.
_GAP = rb"(?:[ -]|\xc2\xa0|\\u00(?:[aA]0|20|2[dD]))"
# Finds nothing in an ordinary event, in a microsecond: what any card number looks like at its beginning.
_PERHAPS = re.compile(rb"[2-6][0-9 \xc2\xa0\\uaAdD-]{12}")
# Begins no word, where a JSON escape such as \n or \u0436 isn't part of one. Never goes back, whatever follows.
_RUN = re.compile(
    rb"[0-9](?:(?<![0-9A-Za-z_][0-9])|(?<=\\[bfnrt][0-9])|(?<=\\u[0-9a-fA-F]{4}[0-9]))(?:" + _GAP + rb"?[0-9]){12,}"
)
_WORD_GOES_ON = re.compile(rb"[A-Za-z_]")
_BETWEEN = re.compile(_GAP)
_ESCAPED_DIGIT = re.compile(rb"\\u003([0-9])")
_JSON_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\Z)', re.DOTALL)
_BEFORE_A_NUMBER = re.compile(rb"(?:^|[\[:,])\s*-?\Z")
_AFTER_A_NUMBER = re.compile(rb"(?:\.[0-9]+)?\s*(?:\Z|[,}\]])")

SHORTEST, LONGEST = 13, 19
# Phone numbers are no longer than this, and have a plus before them.
LONGEST_PHONE = 15
# Dashes stand between groups of four to six digits; in UUIDs there are groups of eight and twelve.
LONGEST_DASHED_GROUP = 6
# No issuer's number begins with 20 or 21, as the dates and times of this century do.
_ISSUER = re.compile(rb"[3-6]|2[2-7]")
_FIRST, _LAST = 6, 4
_PLAIN = bytes.maketrans(b"0123456789", bytes(range(10)))
_DOUBLED = bytes.maketrans(b"0123456789", bytes([0, 2, 4, 6, 8, 1, 3, 5, 7, 9]))


def mask(data: bytes, *, but: Collection[bytes] = (), json: bool = True) -> bytes:
    """The same bytes with card numbers masked: with 0 in a number of JSON, which it stays, and with * elsewhere.

    `but`: numbers that are let be, as digits. `json`: False for what can't be JSON.
    """
    if b"\\u003" in data and (plain := _ESCAPED_DIGIT.sub(rb"\1", data)) != _masked(plain, but, json=json):
        data = plain
    data = _masked(data, but, json=json)
    if b"\0" in data:
        # UTF-16 and UTF-32: every digit is still one byte, with NUL around it.
        places = [place for place, byte in enumerate(data) if byte]
        mixed = bytearray(data)
        folded = _masked(data.replace(b"\0", b""), but, json=json)
        for place, byte in zip(places, folded, strict=True):
            mixed[place] = byte
        data = bytes(mixed)
    return data


def mask_text(text: str, *, but: Collection[bytes] = ()) -> str:
    """The same text with card numbers masked with *."""
    return _masked(text.encode("utf-8", "surrogatepass"), but, json=False).decode("utf-8", "surrogatepass")


def mask_parsed(value: Any, *, but: Collection[bytes] = ()) -> Any:
    """The same value of JSON (texts, numbers, lists, objects with their names) with card numbers masked."""
    match value:
        case str():
            return mask_text(value, but=but)
        case bool() | None:
            return value
        case int() | float():
            plain = repr(value).encode()
            masked = _masked(plain, but, json=True)
            return value if masked == plain else type(value)(masked)
        case list():
            return [mask_parsed(inner, but=but) for inner in value]
        case dict():
            return {mask_text(name, but=but): mask_parsed(inner, but=but) for name, inner in value.items()}
    return value


def card_numbers(text: str) -> frozenset[bytes]:
    """The digits of the card numbers that a text holds."""
    return frozenset(digits for digits, _ in _found(text.encode("utf-8", "surrogatepass")))


def has_card_number(text: str) -> bool:
    """Whether a text holds a card number."""
    return bool(card_numbers(text))


def holds_one(data: bytes) -> bool:
    """Whether bytes hold a card number, written as it is."""
    return any(True for _ in _found(data))


def may_hold_one(data: bytes) -> bool:
    """Whether a closer look is needed; False for nearly everything, at once. NUL may stand between any two digits."""
    return b"\0" in data or _PERHAPS.search(data) is not None


def _masked(data: bytes, but: Collection[bytes], *, json: bool) -> bytes:
    masked: bytearray | None = None
    texts: list[int] = []
    for digits, places in _found(data):
        if digits in but:
            continue
        if masked is None:
            masked = bytearray(data)
            texts = [edge for one in _JSON_TEXT.finditer(data) for edge in one.span()] if json else []
        sign = b"0" if json and _is_number(data, places, texts) else b"*"
        for place in places[_FIRST:-_LAST]:
            masked[place : place + 1] = sign
    return data if masked is None else bytes(masked)


def _found(data: bytes) -> Iterator[tuple[bytes, list[int]]]:
    """The digits of each card number, with their places."""
    if not _PERHAPS.search(data):
        return
    for run in _RUN.finditer(data):
        groups = _groups(data, run)
        for first, last in _windows(data, groups):
            places = [place for group in groups[first : last + 1] for place in group]
            digits = bytes(data[place] for place in places)
            if not _is_part(data, places):
                yield digits, places


def _groups(data: bytes, run: re.Match[bytes]) -> list[range]:
    groups, start = [], run.start()
    for gap in _BETWEEN.finditer(data, run.start(), run.end()):
        groups.append(range(start, gap.start()))
        start = gap.end()
    # "4242 4242 4242 4242 1a": what a word begins with is none of its groups.
    return groups if _WORD_GOES_ON.match(data, run.end()) else [*groups, range(start, run.end())]


def _windows(data: bytes, groups: list[range]) -> Iterator[tuple[int, int]]:
    """The first and the last group of each card number, which are any that follow each other.

    A security code or a date may stand behind a card number, with nothing but a space between. The sums of the
    check digits are made once for the whole run, as a hostile one may have a hundred thousand groups.
    """
    digits = b"".join(data[group.start : group.stop] for group in groups)
    edges = [0, *accumulate(len(group) for group in groups)]
    doubled = digits.translate(_DOUBLED)
    plain = digits.translate(_PLAIN)
    sums = [[0, *accumulate(_alternating(plain, doubled))], [0, *accumulate(_alternating(doubled, plain))]]
    for first, start in enumerate(edges[:-1]):
        if not _ISSUER.match(digits, start):
            continue
        for last in range(first, len(groups)):
            end = edges[last + 1]
            if end - start > LONGEST:
                break
            if end - start < SHORTEST or (end - start == SHORTEST and digits[start] != ord("4")):
                continue
            # Doubled is every second digit from the right, the last one plain.
            kind = sums[(end - 1) % 2]
            if (kind[end] - kind[start]) % 10 == 0 and not _is_uuid(data, groups[first : last + 1]):
                yield first, last


def _alternating(even: bytes, odd: bytes) -> bytes:
    mixed = bytearray(even)
    mixed[1::2] = odd[1::2]
    return bytes(mixed)


def _is_uuid(data: bytes, groups: list[range]) -> bool:
    dashed = any(data[group.start - 1 : group.start] == b"-" for group in groups[1:])
    return dashed and max(map(len, groups)) > LONGEST_DASHED_GROUP


def _is_part(data: bytes, places: list[int]) -> bool:
    """The decimals of a fraction, or a telephone number."""
    before = data[max(0, places[0] - 2) : places[0]]
    if before.endswith(b"+"):
        return len(places) <= LONGEST_PHONE
    return before[-1:] == b"." and before[:1].isdigit()


def _is_number(data: bytes, places: list[int], texts: list[int]) -> bool:
    """Whether it is a number of JSON: in one piece, not between the edges of a text, a comma or the like around it."""
    start, end = places[0], places[-1] + 1
    return (
        end - start == len(places)
        and bisect(texts, start) % 2 == 0
        and bool(_BEFORE_A_NUMBER.search(data[max(0, start - 64) : start]))
        and bool(_AFTER_A_NUMBER.match(data, end))
    )
