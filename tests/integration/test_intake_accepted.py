"""The front door on a real database: records in, payments out, and one payment however often and wherever they come.

Records that become no payment and need a person are in `test_intake_parked.py`.
"""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.gateway import Gateway
from payments.models import Attempt, InboxMessage, OutboxMessage, Payment, Subscription, Transition
from tests.conftest import Clock
from tests.integration.events import accept, event, record, verdicts

db = pytest.mark.django_db


@db
def test_a_record_becomes_a_row_a_payment_and_the_first_line_of_its_history(clock: Clock) -> None:
    """P2: what came in is kept as it came, in the JSON types it came in."""
    asked = event(subscription=7, user=42) | {"more": True}
    accepted = accept(record(asked, at=clock(), headers=(("ce_id", b"e-1"), ("x", None))), now=clock())
    payment = Payment.objects.get()
    assert accepted.due == [payment.id]
    assert (payment.subscription_id, payment.subscription_as_sent) == ("7", 7)
    assert (payment.user_id, payment.user_as_sent) == ("42", {"id": 42, "email": "a@b.kz"})
    assert (payment.amount, payment.currency, payment.status, payment.due_at) == (10_000, "KZT", "pending", clock())
    row = InboxMessage.objects.get()
    assert (row.verdict, row.event_id, row.payment_id) == ("accepted", "e-1", payment.id)
    assert row.headers == [["ce_id", "ZS0x"], ["x", None]]
    assert Transition.objects.get().evidence == {"record": str(row)}


@db
def test_the_same_record_twice_is_one_row(clock: Clock) -> None:
    """A redelivery is known by its place, in the same batch and in a later one."""
    once = record(event(), at=clock())
    assert accept(once, once, now=clock()).counts == {"known": 1, "accepted": 1}
    again = accept(once, now=clock())
    assert (again.counts, again.due) == ({"known": 1}, [])
    assert verdicts() == ["accepted"]


@db
def test_another_value_at_the_same_place_is_another_record(clock: Clock) -> None:
    """A topic that was made anew starts at offset 0 again: its records are not taken for known ones."""
    accept(record(event("sub_1"), at=clock(), offset=0), now=clock())
    accept(record(event("sub_2"), at=clock(), offset=0), now=clock())
    assert verdicts() == ["accepted", "accepted"]


@db
def test_a_rewind_to_the_start_charges_nobody_even_when_the_inbox_is_pruned(clock: Clock) -> None:
    """The time of the newest judged record stays with the subscription for ever."""
    records = [record(event(f"sub_{n}"), at=clock()) for n in range(3)]
    accept(*records, now=clock())
    InboxMessage.objects.all().delete()
    clock.advance(days=400)
    assert accept(*records, now=clock()).due == []
    assert verdicts() == ["duplicate"] * 3
    assert Payment.objects.count() == 3


@db
def test_two_records_of_one_subscription_in_one_batch_make_one_payment(clock: Clock) -> None:
    """Judged in their order: the second knows of the first."""
    accept(record(event(), at=clock()), record(event(), at=clock() + timedelta(seconds=1)), now=clock())
    assert verdicts() == ["accepted", "duplicate"]
    assert Payment.objects.count() == 1


@db
def test_one_and_the_text_one_are_the_same_subscription(clock: Clock) -> None:
    """Ids are compared as canonical text."""
    accept(record(event(1), at=clock()), record(event("1"), at=clock() + timedelta(seconds=1)), now=clock())
    assert verdicts() == ["accepted", "duplicate"]


@db
def test_an_event_id_that_is_known_is_a_duplicate_whatever_its_place(clock: Clock) -> None:
    """The producer's own retry, under a new offset and a newer time."""
    headers = (("ce_id", b"e-1"),)
    accept(record(event(), at=clock(), headers=headers), now=clock())
    accept(record(event(), at=clock() + timedelta(hours=1), headers=headers), now=clock())
    assert verdicts() == ["accepted", "duplicate"]


@db
def test_another_method_while_a_payment_is_pending_is_kept_and_used_if_the_first_is_declined(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Design's cell "pending, other method": a duplicate whose method is due at once after a decline."""
    accept(record(event(method="pm_card_chargeDeclined"), at=clock()), now=clock())
    accept(record(event(method="pm_1"), at=clock() + timedelta(seconds=1)), now=clock())
    assert verdicts() == ["accepted", "duplicate"]
    payment = Payment.objects.get()
    charging.charge(payment_ids=[payment.id], gateway=stripe_gateway, clock=clock)
    payment.refresh_from_db()
    assert (payment.status, payment.payment_method, payment.due_at) == ("pending", "pm_1", clock())
    charging.charge(payment_ids=[payment.id], gateway=stripe_gateway, clock=clock)
    payment.refresh_from_db()
    assert payment.status == "success"
    assert [attempt.state for attempt in Attempt.objects.order_by("number")] == ["declined", "succeeded"]
    assert (
        len({request["payment_intent"] for request in stripe.control.requests(endpoint="payment_intents.confirm")}) == 1
    )


@db
def test_a_new_event_after_a_soft_decline_is_a_new_attempt_on_the_same_intent(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Somebody pressed "pay" again: tried again, told again, under another id."""
    stripe.control.add_payment_method(
        id="pm_poor", behaviour=[{"decline_code": "insufficient_funds"}, "success"], customer="cus_1"
    )
    accept(record(event(method="pm_poor"), at=clock()), now=clock())
    payment = Payment.objects.get()
    charging.charge(payment_ids=[payment.id], gateway=stripe_gateway, clock=clock)
    clock.advance(minutes=5)
    assert accept(record(event(method="pm_poor"), at=clock()), now=clock()).due == [payment.id]
    charging.charge(payment_ids=[payment.id], gateway=stripe_gateway, clock=clock)
    payment.refresh_from_db()
    assert payment.status == "success"
    assert OutboxMessage.objects.values("message_id").distinct().count() == 2
    assert len(stripe.ledger.payment_intents_of("subscription_id", "sub_1")) == 1


@db
def test_a_new_event_after_a_hard_decline_is_refused_and_answered(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Declined for good: the attempt is recorded as refused, Stripe isn't asked, and who waits is told."""
    accept(record(event(method="pm_card_chargeDeclinedLostCard"), at=clock()), now=clock())
    payment = Payment.objects.get()
    charging.charge(payment_ids=[payment.id], gateway=stripe_gateway, clock=clock)
    clock.advance(minutes=5)
    accepted = accept(record(event(method="pm_card_chargeDeclinedLostCard"), at=clock()), now=clock())
    assert (accepted.due, accepted.counts["accepted"]) == ([], 1)
    assert [attempt.state for attempt in Attempt.objects.order_by("number")] == ["declined", "refused"]
    assert OutboxMessage.objects.filter(channel="notifications").count() == 2
    assert len(stripe.control.requests(endpoint="payment_intents.confirm")) == 1


@db
def test_a_record_whose_headers_can_not_be_stored_as_they_are_is_still_stored(clock: Clock) -> None:
    """P2: nothing about a record may keep it from having its row."""
    accept(record(event(), at=clock(), headers=(("a\x00b", b"\x00"), ("\ud800", None), ("e", b""))), now=clock())
    row = InboxMessage.objects.get()
    assert row.verdict == "accepted"
    assert row.headers == [["a\\x00b", "AA=="], ["\\ud800", None], ["e", ""]]


@pytest.mark.django_db(transaction=True)
def test_two_bridges_with_the_same_records_make_one_payment_each(clock: Clock) -> None:
    """After a rebalance two bridges may hold the same records: both write at once, one wins, none fails."""
    records = [record(event(f"sub_{n}"), at=clock()) for n in range(20)] + [record(b"{", at=clock()) for _ in range(5)]
    barrier = threading.Barrier(2)
    counts: list[dict[str, int]] = []

    def bridge() -> None:
        try:
            barrier.wait(10)
            counts.append(accept(*records, now=clock()).counts)
        finally:
            connection.close()

    threads = [threading.Thread(target=bridge) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(counts, key=lambda one: one["known"]) == [
        {"known": 0, "accepted": 20, "invalid": 5},
        {"known": 25},
    ]
    assert InboxMessage.objects.count() == 25
    assert Payment.objects.count() == 20


@pytest.mark.django_db(transaction=True)
def test_two_bridges_with_events_of_the_same_subscriptions_in_opposite_order_make_one_payment_each(
    clock: Clock,
) -> None:
    """Locks are taken in sorted order: neither deadlock nor two payments, whatever the order of the records."""
    names = [f"sub_{n}" for n in range(30)]
    batches = [
        [record(event(name), at=clock(), partition=number) for name in order]
        for number, order in enumerate((names, names[::-1]))
    ]
    barrier = threading.Barrier(2)
    troubles: list[BaseException] = []

    def bridge(batch: list[Any]) -> None:
        try:
            barrier.wait(10)
            accept(*batch, now=clock())
        except BaseException as trouble:
            troubles.append(trouble)
            raise
        finally:
            connection.close()

    threads = [threading.Thread(target=bridge, args=[batch]) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert troubles == []
    assert Payment.objects.count() == 30
    assert Subscription.objects.count() == 30
    assert sorted(verdicts()) == ["accepted"] * 30 + ["duplicate"] * 30
