"""Card numbers are found wherever they stand, and nothing else is taken for one."""

import json
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.intake.masking import card_numbers, has_card_number, mask, mask_parsed, mask_text, may_hold_one

# The same examples each time, however slow the machine is.
examples = settings(derandomize=True, deadline=None, max_examples=200, database=None)

VISA, AMEX, DINERS = "4242424242424242", "378282246310005", "30569309025904"
MASKED = "424242******4242"


def luhn(digits: str) -> str:
    """The digits with their check digit."""
    doubled = (int(one) * 2 for one in digits[::-2])
    total = sum(one // 10 + one % 10 for one in doubled) + sum(int(one) for one in digits[-2::-2])
    return digits + str(-total % 10)


def numbers_of(length: int) -> st.SearchStrategy[str]:
    """Card numbers of this length, by the rules of issuers and check digits."""
    first = st.sampled_from(["4"] if length == 13 else ["22", "27", "3", "4", "5", "6"])
    return first.flatmap(
        lambda start: st.text("0123456789", min_size=length - 1 - len(start), max_size=length - 1 - len(start)).map(
            lambda rest: luhn(start + rest)
        )
    )


cards = st.integers(13, 19).flatmap(numbers_of)
# Neither digits nor what may stand between them, nor what would make one word of them.
around = st.text(st.characters(exclude_characters=string.ascii_letters + string.digits + "_ -+.\u00a0\\"), max_size=5)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (VISA, MASKED),
        ("4242 4242 4242 4242", "4242 42** **** 4242"),
        ("4242-4242-4242-4242", "4242-42**-****-4242"),
        ("4242\u00a04242\u00a04242\u00a04242", "4242\u00a042**\u00a0****\u00a04242"),
        ("42424242 42424242", "424242** ****4242"),
        ("3782 822463 10005", "3782 82**** *0005"),
        (AMEX, "378282*****0005"),
        (DINERS, "305693****5904"),
        ("4222222222222", "422222***2222"),
        ("6304000000000000000", "630400*********0000"),
        ("5555555555554444", "555555******4444"),
        ("2223003122003222", "222300******3222"),
        ("6011 1111 1111 1117", "6011 11** **** 1117"),
        (f"card {VISA}, please", f"card {MASKED}, please"),
        (f"{VISA} 123", f"{MASKED} 123"),
        (f"12/27 {VISA} 123", f"12/27 {MASKED} 123"),
        (f"{VISA} 12/27", f"{MASKED} 12/27"),
        (f"{VISA}/{AMEX}", f"{MASKED}/378282*****0005"),
        (f"{VISA} {AMEX}", f"{MASKED} 378282*****0005"),
        (f"№{VISA}.", f"№{MASKED}."),
        (f"карта{VISA}", f"карта{MASKED}"),
        (f"+{VISA}", f"+{MASKED}"),
        (f"card-{VISA}", f"card-{MASKED}"),
    ],
)
def test_a_card_number_is_masked_however_people_write_it(text: str, masked: str) -> None:
    """The first six and the last four digits stay, and whatever stands between the groups."""
    assert mask_text(text) == masked
    assert mask(json.dumps(text, ensure_ascii=False).encode()) == json.dumps(masked, ensure_ascii=False).encode()
    assert json.loads(mask(json.dumps(text).encode())) == masked
    assert has_card_number(text)
    assert may_hold_one(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "4242424242424241",  # the check digit
        luhn("124242424242424"),  # no issuer
        luhn("724242424242424"),
        luhn("214242424242424"),
        luhn("000000000000000"),
        "424242424242",  # too short
        "42424242424242424242",  # part of a longer number
        f"1{VISA}",
        f"{VISA}1",
        f"pm_{VISA}",  # part of a word
        f"x{VISA}",
        f"{VISA}x",
        f"{VISA}_",
        luhn("176800000000"),  # milliseconds, microseconds and nanoseconds since 1970
        luhn("176800000000000"),
        luhn("176800000000000000"),
        luhn("305693090259"),  # 13 digits that aren't Visa's
        luhn("555555555555"),
        luhn("2026013112000"),  # 31 January 2026, 12:00:0…
        luhn("202601311200000000"),
        "+" + luhn("491761234567"),  # a telephone number
        "0.4242424242424242",  # decimals
        "4242424242424242".replace("42", "42_"),
        "42424242-4242-4242-a242-424242424242",  # UUIDs
        "a2424242-4242-4242-8242-424242424242",
        "4242:4242:4242:4242",
        "",
        "a@b.kz",
    ],
)
def test_what_only_has_many_digits_is_left_alone(text: str) -> None:
    """Times, telephone numbers, fractions and ids of our neighbours are not card numbers."""
    assert mask_text(text) == text
    assert mask(text.encode()) == text.encode()
    assert not has_card_number(text)


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        (f'{{"a":{VISA}}}', '{"a":4242420000004242}'),
        (f'{{"a": -{VISA} , "b":[{VISA},1]}}', '{"a": -4242420000004242 , "b":[4242420000004242,1]}'),
        (f'{{"a":{VISA}.0}}', '{"a":4242420000004242.0}'),
        (VISA, "4242420000004242"),
        (f'{{"{VISA}":"x,{VISA},"}}', f'{{"{MASKED}":"x,{MASKED},"}}'),
        (f'{{"a":"\\",{VISA},\\""}}', f'{{"a":"\\",{MASKED},\\""}}'),
        (f'"\\n{VISA}\\t"', f'"\\n{MASKED}\\t"'),
        (f'"\\u0436{VISA}\\u0436"', f'"\\u0436{MASKED}\\u0436"'),
        ('"\\u0034242424242424242"', f'"{MASKED}"'),
        ('"4242\\u00a04242\\u00A042424242"', '"4242\\u00a042**\\u00A0****4242"'),
        (f'"{{\\"card\\":\\"{VISA}\\"}}"', f'"{{\\"card\\":\\"{MASKED}\\"}}"'),
        ("4242\\u002d4242\\u002D4242\\u00204242", "4242\\u002d42**\\u002D****\\u00204242"),
        ("".join(f"\\u003{digit}" for digit in VISA), "4242420000004242"),
        ("[4242 4242 4242 4242]", "[4242 42** **** 4242]"),
        (f"{{card: {VISA} or so}}", f"{{card: {MASKED} or so}}"),
        (f'{{"cut": "{VISA}', f'{{"cut": "{MASKED}'),
    ],
)
def test_a_number_of_json_stays_one_and_text_gets_stars(value: str, masked: str) -> None:
    """Whoever reads the dead letter can still read it as what it was."""
    assert may_hold_one(value.encode())
    assert mask(value.encode()).decode() == masked


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings_hide_nothing(codec: str) -> None:
    """A value that we refuse for its encoding is kept all the same."""
    assert mask(f'{{"a":"№ {VISA}"}}'.encode(codec)).decode(codec) == f'{{"a":"№ {MASKED}"}}'


@pytest.mark.parametrize("before", [b"\x0a\x10", b"\xff", b"\0", b"\x10\xe9"])
def test_binary_values_hide_nothing(before: bytes) -> None:
    """A text within Protocol Buffers, Avro or MessagePack stands there as it is."""
    assert mask(before + VISA.encode() + b"\x12") == before + MASKED.encode() + b"\x12"


def test_what_was_parsed_is_masked_in_names_and_values_of_every_type() -> None:
    """What is kept of the user is what goes out again."""
    value: Any = {VISA: [VISA, {"a": int(VISA), "b": float(VISA), "c": None, "d": True}], "e": 1.5, "f": "x", "g": 7}
    assert mask_parsed(value) == {
        MASKED: [MASKED, {"a": 4242420000004242, "b": 4242420000004242.0, "c": None, "d": True}],
        "e": 1.5, "f": "x", "g": 7,
    }  # fmt: skip


def test_what_is_let_be_stays_and_nothing_else_does() -> None:
    """An id that looks like a card number by chance decides who pays."""
    ids = card_numbers(f"sub {VISA}")
    assert ids == {VISA.encode()}
    assert mask(f'"{VISA} {AMEX}"'.encode(), but=ids) == f'"{VISA} 378282*****0005"'.encode()
    assert mask_text(f"{VISA}/{AMEX}", but=ids) == f"{VISA}/378282*****0005"
    assert mask_parsed([int(VISA), AMEX], but=ids) == [int(VISA), "378282*****0005"]


@examples
@given(card=cards, before=around, after=around)
def test_any_card_number_is_masked_in_any_text(card: str, before: str, after: str) -> None:
    """Six and four digits are left; a second look finds nothing more to hide in what is left."""
    masked = card[:6] + "*" * (len(card) - 10) + card[-4:]
    assert mask_text(before + card + after) == before + masked + after
    assert mask_text(masked) == masked


@examples
@given(card=numbers_of(16), gap=st.sampled_from([" ", "-", "\u00a0"]), before=around, after=around)
def test_any_card_number_is_masked_in_groups(card: str, gap: str, before: str, after: str) -> None:
    """As it is printed on the card."""
    groups = [card[start : start + 4] for start in range(0, 16, 4)]
    masked = gap.join([groups[0], groups[1][:2] + "**", "****", groups[3]])
    assert mask_text(before + gap.join(groups) + after) == before + masked + after


@examples
@given(value=st.recursive(cards | st.text() | st.integers() | cards.map(int), st.lists, max_leaves=8))
def test_masked_json_is_json_and_masking_twice_is_masking_once(value: Any) -> None:
    """Nothing that was well-formed is broken, and what is masked again is the same."""
    for ascii_only in (True, False):
        sent = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
        masked = mask(sent)
        json.loads(masked.decode("utf-8", "surrogatepass"))
        assert mask(masked) == masked


@examples
@given(data=st.binary(max_size=200))
def test_any_bytes_keep_their_length(data: bytes) -> None:
    """Whatever came can be masked; only an escaped digit is shorter afterwards."""
    assert len(mask(data)) == len(data) or b"\\u003" in data


@examples
@given(value=st.binary(max_size=100) | st.text().map(str.encode), card=cards)
def test_the_quick_look_never_misses_one(value: bytes, card: str) -> None:
    """Nearly every record is let through after it."""
    for data in (value, value + card.encode(), card.encode() + value, value + card.encode("utf-16") + value):
        assert may_hold_one(data) or mask(data) == data


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "bait", ["44 ", "4 ", "4242424242424242 ", "4242424242424242,", '\\"4242', '\\"', "4", "4-", '"']
)
def test_no_value_takes_long(bait: str) -> None:
    """A hostile record must not stop the bridge: time grows with the length, not with its square."""
    mask((bait * 256 * 1024)[: 256 * 1024].encode() + f"x {VISA}".encode())
