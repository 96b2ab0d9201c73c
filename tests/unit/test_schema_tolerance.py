"""What neighbours add to events is tolerated: unknown fields, spaces, headers of all kinds."""

import hashlib

import pytest

from bridge.schema import Headers
from tests.unit.events import event, reason, understood

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def hashed(value: bytes) -> str:
    """What stands for an id that can't be stored as it is."""
    return "sha256:" + hashlib.sha256(value).hexdigest()


def test_unknown_fields_are_tolerated_everywhere() -> None:
    """A producer may add fields before we know them, whatever they hold."""
    odd = {"deep": [{"er": [None, True, 1.5, "x"]}], "": "", "id": 0, "subId": 5, "__class__": "x"}
    request = understood(event(extra=odd, product__extra=odd, product__id=7))
    assert (request.subscription, request.amount) == ("sub_1", 10_000)


def test_the_user_goes_out_as_it_came_in_less_the_payment_method() -> None:
    """Also what we don't know, with the numbers as they were."""
    added = {"name": "Айгүл", "age": 33, "score": 1.5, "tags": ["a", None], "payment_method": "x", "customer": "cus_1"}
    request = understood(event(**{f"user__{name}": value for name, value in added.items()}))
    assert request.user_as_sent == {"id": "u_1", "email": "a@b.kz"} | added
    assert (request.payment_method, request.customer) == ("pm_1", "cus_1")


@pytest.mark.parametrize("customer", [None, "cus_1"])
def test_the_customer_is_optional(customer: str | None) -> None:
    """null is the same as none."""
    assert understood(event(user__customer=customer)).customer == customer


def test_white_space_around_the_object_does_not_matter() -> None:
    """JSON allows it; some producers end with a line feed."""
    assert understood(b" \r\n\t" + event() + b"\n") == understood(event())


@pytest.mark.parametrize(
    ("headers", "event_id"),
    [
        ((), ""),
        ((("ce_id", b"e-1"),), "e-1"),
        ((("event-id", b"e-2"),), "e-2"),
        ((("event-id", b"e-2"), ("ce_id", b"e-1")), "e-1"),
        ((("ce_id", b""), ("event-id", b"e-2")), "e-2"),
        ((("ce_id", None), ("event-id", b"e-2")), "e-2"),
        ((("ce_id", None), ("ce_id", b"e-1")), "e-1"),
        ((("ce_id", b"first"), ("ce_id", b"second")), "first"),
        ((("ce_id", b"\x00"), ("event-id", b"e-2")), hashed(b"\x00")),
        ((("ce_id", "заказ-1".encode()),), "заказ-1"),
        ((("ce_id", "ж".encode() * 255),), "ж" * 255),
        ((("ce_id", b"e\x00-\n1"),), hashed(b"e\x00-\n1")),
        ((("ce_id", b"\xff1"),), hashed(b"\xff1")),
        ((("ce_id", b"x" * 256),), "sha256:85e62acd750c4eb56b7b6a1d66dca5bfaac5f062608a1a893410d0288936c09a"),
        ((("event-id", "ж".encode() * 256),), hashed("ж".encode() * 256)),
        ((("CE_ID", b"e-1"), ("kafka_correlationId", b"abc"), ("", b"")), ""),
    ],
)
def test_the_producers_event_id_is_found_in_the_headers(headers: Headers, event_id: str) -> None:
    """`ce_id` before `event-id`; an empty one is none; what is too long or isn't text is known by its hash."""
    assert understood(event(), headers).event_id == event_id


def test_two_events_never_become_one_because_their_ids_cannot_be_stored() -> None:
    """Whatever bytes they have: cutting them short, or leaving characters out, would lose a payment as a duplicate."""
    odd = [b"e-1", b"e\x00-1", b"e-1\n", b"e\x7f-1", b"e-1\xff", b"e-1\xfe", b"e-1\xed\xa0\x80", b"\x00", b"\x01"]
    odd += ["e-1\N{REPLACEMENT CHARACTER}".encode(), b"x" * 255, b"x" * 256, b"x" * 257, b"x" * 1000, b"x" * 255 + b"y"]
    ids = [understood(event(), (("ce_id", value),)).event_id for value in odd]
    assert len(set(ids)) == len(odd)
    assert [found for found in ids if not found.isprintable() or not 0 < len(found) <= 255] == []


@pytest.mark.parametrize(
    ("value", "traceparent"),
    [
        (TRACE.encode(), TRACE),
        (None, ""),
        (b"", ""),
        (b"nonsense", ""),
        (TRACE.upper().encode(), ""),
        (TRACE.encode() + b"-extra", ""),
        (b"\xff" + TRACE.encode(), ""),
    ],
)
def test_a_trace_goes_on_only_if_it_is_one(value: bytes | None, traceparent: str) -> None:
    """It goes out again in a header, so nothing else may come through."""
    assert understood(event(), (("traceparent", value),)).traceparent == traceparent


def test_headers_do_not_save_a_wrong_value() -> None:
    """The value decides."""
    assert reason(b"{}", (("ce_id", b"e-1"),)).startswith("subId: is missing")
