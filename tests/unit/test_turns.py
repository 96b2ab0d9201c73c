"""Whose turn it is: what a claim of a payment may call, who goes first, and how many go at once."""

from dataclasses import replace

import pytest

from payments.charging.turns import Connections, Row, calls_of, priority_of
from payments.limits import Endpoint, Priority

# One that was declined, and that somebody wants tried again.
ROW = Row(
    failed=False, retries=False, customer="cus_1", intent="pi_1", intent_customer="cus_1", attempted=True,
    in_doubt=False,
)  # fmt: skip
NEW = replace(ROW, customer=None, intent=None, intent_customer="", attempted=False)


@pytest.mark.parametrize(
    ("row", "calls"),
    [
        (ROW, {Endpoint.CONFIRM}),
        (replace(ROW, in_doubt=True), {Endpoint.CONFIRM, Endpoint.RETRIEVE}),
        (replace(ROW, failed=True), {Endpoint.RETRIEVE}),
        (replace(ROW, failed=True, customer=None), {Endpoint.RETRIEVE}),
        (replace(ROW, failed=True, retries=True), {Endpoint.CONFIRM}),
        (replace(ROW, customer="cus_2"), {Endpoint.CONFIRM, Endpoint.UPDATE}),
        (replace(ROW, customer=None), {Endpoint.CONFIRM, Endpoint.PAYMENT_METHOD, Endpoint.UPDATE}),
        (replace(ROW, customer=""), {Endpoint.CONFIRM}),
        (NEW, {Endpoint.CONFIRM, Endpoint.PAYMENT_METHOD, Endpoint.CREATE, Endpoint.ACCOUNT}),
        (replace(NEW, customer=""), {Endpoint.CONFIRM, Endpoint.CREATE, Endpoint.ACCOUNT}),
        (replace(NEW, customer="cus_1", in_doubt=True), {Endpoint.CONFIRM, Endpoint.CREATE, Endpoint.ACCOUNT}),
    ],
)
def test_a_claim_may_call_what_its_row_says(row: Row, calls: set[Endpoint]) -> None:
    """A token for each call that may come, and none for a call that can't: those are others' tokens."""
    assert calls_of(row, knows_account=False) == calls
    assert calls_of(row, knows_account=True) == calls - {Endpoint.ACCOUNT}


@pytest.mark.parametrize(
    ("row", "live", "late"),
    [
        (NEW, Priority.LIVE, Priority.LATE),
        (ROW, Priority.LIVE, Priority.REPLAY),
        (replace(ROW, in_doubt=True), Priority.UNKNOWN, Priority.UNKNOWN),
        (replace(ROW, failed=True), Priority.LOOK, Priority.LOOK),
        (replace(ROW, failed=True, retries=True), Priority.LIVE, Priority.REPLAY),
    ],
)
def test_who_goes_first_is_read_from_the_row(row: Row, live: Priority, late: Priority) -> None:
    """What nobody knows goes before who waits, and a look is never live."""
    assert priority_of(row, live=True) == live
    assert priority_of(row, live=False) == late


def test_no_more_payments_are_at_stripe_than_there_are_connections() -> None:
    """Whoever leaves some free for others gets what is above that, and never less than nothing."""
    connections = Connections(most=4)
    assert connections.take(wanted=1, leave=2) == 1
    assert connections.take(wanted=9, leave=2) == 1
    assert connections.take(wanted=9, leave=3) == 0
    assert connections.take(wanted=9, leave=0) == 2
    connections.free(1)
    assert connections.take(wanted=9, leave=0) == 1
    assert connections.take(wanted=1, leave=0) == 0
