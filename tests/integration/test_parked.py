"""Parked records: a person judges them again; nothing is charged twice by it, and nothing is lost."""

import json
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.gateway import Gateway
from payments.intake import Duplicate, Replayed, StillParked
from payments.intake.parked import NEEDS_A_VALUE
from payments.models import InboxMessage, OutboxMessage, Payment, Subscription, Transition
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.parked_rows import conflict, park, replay, value

db = pytest.mark.django_db
VISA = "4242424242424242"
SAME_MOMENT = "a record as new as this one has been judged"


@db
def test_a_corrected_event_is_accepted_in_its_own_row(clock: Clock) -> None:
    """P2: one record, one row, at its place. What came stays beside what was made of it."""
    row = park(event(price="1,5"), clock)
    before = bytes(row.value or b"")
    clock.advance(hours=5)
    outcome = replay(row, clock, corrected=value(price=1.5))
    payment = Payment.objects.get()
    assert outcome == Replayed(payment=payment.id)
    changed = InboxMessage.objects.get()
    assert (changed.id, str(changed), bytes(changed.value_hash)) == (row.id, str(row), bytes(row.value_hash))
    assert (bytes(changed.value or b""), bytes(changed.corrected or b"")) == (before, value(price=1.5))
    assert (changed.verdict, changed.payment_id, changed.subscription_id) == ("accepted", payment.id, "sub_1")
    assert (changed.handled_at, changed.handled_by, changed.handled_why) == (clock(), "staff: aida", "agreed by phone")
    assert (changed.reason, changed.replays) == ("product.price: must be a number", 1)
    assert (payment.amount, payment.due_at, payment.accepted_at) == (150, clock(), clock())
    # createdAt is the record's time: a restored database would tell the same.
    assert payment.created_at == row.recorded_at
    step = Transition.objects.get()
    assert (step.who, step.evidence) == ("staff: aida", {"record": str(row), "why": "agreed by phone"})


@db
def test_a_conflict_is_judged_again_as_it_came_once_its_payment_is_closed(
    clock: Clock, stripe_gateway: Gateway
) -> None:
    """P1: only of a closed payment can there be another one; the record's own time would make it a duplicate."""
    first, row = conflict(clock)
    charging.close(payment_id=first.id, who="staff: aida", reason="wrong price", gateway=stripe_gateway, now=clock())
    assert InboxMessage.objects.get(id=row.id).recorded_at == Subscription.objects.get().judged_until
    outcome = replay(row, clock)
    second = Payment.objects.get(number=2)
    assert outcome == Replayed(payment=second.id)
    assert (second.amount, second.status) == (20_000, "pending")


@db
def test_what_is_refused_again_stays_parked_with_its_new_reason_and_is_not_published_again(clock: Clock) -> None:
    """It can't go round: one dead letter for one record, and a count of how often it was tried."""
    _, row = conflict(clock)
    letters = OutboxMessage.objects.count()
    assert "which is pending" in replay(row, clock).reason
    Payment.objects.update(status="success", intent_id="pi_1", settled_at=clock(), due_at=None)
    outcome = replay(row, clock)
    changed = InboxMessage.objects.get(id=row.id)
    assert outcome == StillParked(reason=changed.reason)
    assert "which is success" in changed.reason
    assert (changed.verdict, changed.replays, changed.handled_at) == ("conflict", 2, None)
    assert (OutboxMessage.objects.count(), InboxMessage.objects.count(), Payment.objects.count()) == (letters, 2, 1)
    assert isinstance(replay(row, clock, corrected=b"[]"), StillParked)
    changed.refresh_from_db()
    assert (changed.verdict, changed.reason) == (
        "invalid",
        "value: is a list: send the event as a JSON object",
    )
    assert (bytes(changed.corrected or b""), changed.replays) == (b"[]", 3)


@db
@pytest.mark.parametrize(
    ("status", "why"), [("pending", "its payment is under way"), ("success", "the subscription is paid")]
)
def test_a_replay_never_charges_what_is_charged_or_under_way(clock: Clock, status: str, why: str) -> None:
    """P1: the producer has sent the corrected event meanwhile. The record is off the list, and says why."""
    row = park(event(price=0), clock)
    clock.advance(seconds=1)
    accept(record(event(), at=clock()), now=clock())
    payment = Payment.objects.get()
    if status == "success":
        Payment.objects.update(status="success", intent_id="pi_1", settled_at=clock(), due_at=None)
    clock.advance(seconds=1)
    assert replay(row, clock, corrected=value()) == Duplicate(payment=payment.id, reason=why)
    changed = InboxMessage.objects.get(id=row.id)
    assert (changed.verdict, changed.payment_id, changed.handled_by) == ("duplicate", payment.id, "staff: aida")
    assert Payment.objects.get().status == status


@db
def test_a_replay_of_a_failed_payment_is_a_new_attempt_on_the_same_intent(
    clock: Clock, stripe: Simulator, stripe_gateway: Gateway
) -> None:
    """P1: one PaymentIntent; and the history names who asked."""
    accept(record(event(method="pm_card_chargeDeclined"), at=clock()), now=clock())
    payment = Payment.objects.get()
    charging.charge(payment_ids=[payment.id], gateway=stripe_gateway, clock=clock)
    row = park(event(price=0), clock)
    clock.advance(minutes=5)
    assert replay(row, clock, corrected=value(method="pm_card_visa")) == Replayed(payment=payment.id)
    charging.charge(payment_ids=[payment.id], gateway=stripe_gateway, clock=clock)
    payment.refresh_from_db()
    assert (payment.status, payment.attempts.latest("number").asked_by) == ("success", "staff: aida")
    assert len(stripe.ledger.payment_intents_of("subscription_id", "sub_1")) == 1
    step = Transition.objects.filter(why="asked for again").get()
    assert (step.who, step.evidence) == ("staff: aida", {"record": str(row), "why": "agreed by phone"})


@db
def test_a_clock_that_is_behind_does_not_make_a_replay_a_duplicate(clock: Clock) -> None:
    """P2: the bridge's clock may be ahead of ours; what staff ask for now is newer than what was judged."""
    accept(record(event(), at=clock()), now=clock())
    clock.advance(seconds=30)
    row = park(event(price=200), clock)
    Payment.objects.update(status="failed", closed_at=clock(), settled_at=clock(), due_at=None,
                           fault="us", kind="hard", reason="closed")  # fmt: skip
    clock.now -= timedelta(seconds=10)
    assert isinstance(replay(row, clock), Replayed)
    judged_until = Subscription.objects.get().judged_until
    assert judged_until is not None
    assert judged_until > row.recorded_at > clock()


@db
def test_what_was_in_the_topic_before_the_replay_is_a_duplicate_after_it(clock: Clock) -> None:
    """The replay is the newest that was judged of its subscription."""
    row = park(event(price=0), clock)
    clock.advance(minutes=5)
    replay(row, clock, corrected=value())
    Payment.objects.update(status="failed", settled_at=clock(), fault="issuer", kind="soft", reason="declined")
    accept(record(event(), at=clock() - timedelta(minutes=1)), now=clock())
    assert InboxMessage.objects.latest("id").reason == SAME_MOMENT


@db
def test_a_redelivery_of_a_handled_record_is_known(clock: Clock) -> None:
    """P1: after a rewind the same place with the same bytes is the row that somebody has dealt with."""
    sent = record(event(price=0), at=clock())
    accept(sent, now=clock())
    row = InboxMessage.objects.get()
    replay(row, clock, corrected=value())
    assert accept(sent, now=clock()).counts == {"known": 1}
    assert InboxMessage.objects.get().verdict == "accepted"


@db
def test_a_value_that_was_masked_or_cut_is_not_replayed_as_it_is(clock: Clock) -> None:
    """P1: with a masked id somebody else would pay. The corrected event has the right one."""
    row = park(event(VISA, price=0), clock)
    assert VISA.encode() not in bytes(row.value or b"")
    before = InboxMessage.objects.values().get()
    assert replay(row, clock) == StillParked(reason=NEEDS_A_VALUE)
    assert InboxMessage.objects.values().get() == before
    assert isinstance(replay(row, clock, corrected=value(VISA)), Replayed)
    assert Payment.objects.get().subscription_id == VISA


@db
def test_a_corrected_event_is_masked_as_any_other(clock: Clock) -> None:
    """What staff type in is kept, too."""
    row = park(event(price=0), clock)
    corrected = event()
    corrected["user"]["note"] = VISA
    replay(row, clock, corrected=json.dumps(corrected).encode())
    row.refresh_from_db()
    assert json.loads(bytes(row.corrected or b""))["user"]["note"] == "424242******4242"
    assert Payment.objects.get().user_as_sent["note"] == "424242******4242"


@db
def test_an_event_id_that_was_used_twice_does_not_hold_up_a_corrected_event(clock: Clock) -> None:
    """P2: it is the id of what was sent, and another event has it. As it came, it would stay parked for ever."""
    headers = (("ce_id", b"e-1"),)
    accept(record(event("sub_1"), at=clock(), headers=headers), now=clock())
    row = park(event("sub_2"), clock, headers=headers)
    assert "event ids must be unique" in replay(row, clock).reason
    assert isinstance(replay(row, clock, corrected=value("sub_2")), Replayed)
    assert set(Payment.objects.values_list("subscription_id", flat=True)) == {"sub_1", "sub_2"}


@db
def test_what_the_database_refuses_stays_parked(clock: Clock) -> None:
    """P2: as at the front door; and nothing of the replay is left."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payments_payment ADD CONSTRAINT not_evil CHECK (subscription_id <> 'evil')")
    row = park(event(price=0), clock)
    outcome = replay(row, clock, corrected=value("evil"))
    reason = "refused by the database (CheckViolation, SQLSTATE 23514, constraint not_evil): correct the event"
    assert outcome == StillParked(reason=reason)
    changed = InboxMessage.objects.get()
    assert (changed.verdict, changed.reason, changed.replays) == ("invalid", outcome.reason, 1)
    assert Payment.objects.count() == 0


@db
def test_a_record_that_can_not_even_be_parked_is_not_passed_over(clock: Clock) -> None:
    """P2: the error is raised, so that the offset isn't committed; nothing of it is written."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payments_inboxmessage ADD CONSTRAINT closed_today CHECK (false) NOT VALID")
    for sent in (b"{", event()):
        with pytest.raises(IntegrityError, match="closed_today"):
            accept(record(sent, at=clock()), now=clock())
    assert not Payment.objects.exists()
    assert not OutboxMessage.objects.exists()
