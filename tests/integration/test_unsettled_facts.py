"""What an answer that proves nothing yet makes of a payment: it stays as it is, and is looked at again in time."""

from datetime import timedelta

import pytest

from payments.answers import Misconfigured, Rejected, Unknown
from payments.models import Attempt, OutboxMessage, Transition
from tests.integration.ledger_rows import FAILED, NOW, attempt, payment, restoring
from tests.integration.settled import SOON, seen, settle

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("unexpected_state", "in_doubt", "state"),
    [(False, False, "rejected"), (True, False, "unknown"), (False, True, "unknown"), (True, True, "unknown")],
)
def test_a_refusal_proves_nothing_while_a_send_is_in_doubt_or_the_intent_has_moved_on(
    unexpected_state: bool, in_doubt: bool, state: str
) -> None:
    """P3: what was refused now may have been carried out before."""
    row, tried = settle(Rejected(code="moved", unexpected_state=unexpected_state), sent_at=NOW, in_doubt=in_doubt)
    assert (tried.state, row.status) == (state, "failed" if state == "rejected" else "pending")
    why = Transition.objects.latest("id").why
    assert why == ("rejected: moved" if state == "rejected" else "outcome unknown: moved")


@pytest.mark.parametrize("sent", [True, False])
def test_only_what_was_sent_can_be_in_doubt(sent: bool) -> None:
    """P3, P5: a create that got no answer took nothing, so that a refusal of the confirm can be believed later."""
    _, tried = settle(Unknown(why="reset"), sent_at=NOW if sent else None)
    assert (tried.state, tried.in_doubt, tried.tries) == ("unknown", sent, 1)


@pytest.mark.parametrize("state", Attempt.OPEN)
@pytest.mark.parametrize("status", ["requires_capture", "brand_new"])
def test_a_status_that_nobody_knows_is_no_outcome(status: str, state: str) -> None:
    """P3: 200 is not success. What isn't listed, today's or tomorrow's, is looked at again and not told."""
    with restoring():
        attempt(payment(intent_id="pi_1", livemode=False), state=state, sent_at=NOW)
    row, tried = settle(seen(status))
    assert (row.status, row.settled_at, tried.state, tried.ended_at) == ("pending", None, "unknown", None)
    assert row.due_at
    assert row.due_at > SOON
    whys = [step.why for step in Transition.objects.all()]
    assert whys == [f"outcome unknown: {status}"] * (state != Attempt.State.UNKNOWN)
    assert not OutboxMessage.objects.exists()


def test_a_key_that_is_spent_stays_spent_until_it_is_replaced() -> None:
    """Stripe replays a stored 500 for as long as the key lives, whatever else happens meanwhile."""
    assert settle(Unknown(why="500", key_is_spent=True))[1].key_is_spent
    assert settle(Unknown(why="reset"))[1].key_is_spent


def test_what_is_processing_is_looked_at_ever_more_rarely_and_shown_in_time() -> None:
    """P5: 5 s, 30 s, 1 min, 2 min; whoever won't be told within 3 minutes is shown to a person."""
    at, pauses, shown = SOON, [], []
    attempt(payment(intent_id="pi_1", livemode=False))
    for _ in range(4):
        row, tried = settle(seen("processing"), at=at)
        assert (row.status, tried.state) == ("pending", "processing")
        assert row.due_at
        pauses.append((row.due_at - at).total_seconds())
        shown.append(row.attention)
        at = row.due_at
    assert pauses == [5, 30, 60, 120]
    assert shown == ["", "", "", "Stripe is still processing it"]
    assert [step.why for step in Transition.objects.all()] == ["Stripe is processing it"]


@pytest.mark.parametrize(
    ("http_status", "what"), [(401, ""), (403, ""), (404, "Stripe does not have its PaymentIntent (404)")]
)
def test_a_refused_key_is_no_trouble_of_a_payment_that_is_settled(http_status: int, what: str) -> None:
    """Nobody needs to look at it; a missing intent is its own trouble, whatever its status."""
    attempt(payment(intent_id="pi_1", **FAILED | {"due_at": NOW}))
    Attempt.objects.update(state="declined", ended_at=NOW)
    row, _ = settle(Misconfigured(http_status=http_status, everyones=False))
    assert row.attention.startswith(what)
    assert bool(row.attention) is bool(what)
    assert (row.status, row.due_at) == ("failed", SOON + timedelta(seconds=30))


@pytest.mark.parametrize(
    ("looks", "seconds", "due_after", "then"),
    [
        (0, 59, 60, 0),  # somebody stood still, or a hint came: the look a minute after is still to come
        (0, 60, 60 + 3600, 1),
        (1, 61, 61 + 86400, 2),
        (2, 62, None, 3),
    ],
)
def test_a_look_that_comes_before_the_first_one_is_due_takes_none_away(
    looks: int, seconds: int, due_after: int | None, then: int
) -> None:
    """Stripe may complete late what it has refused: three looks in good time, and no fewer."""
    attempt(payment(intent_id="pi_1", livemode=False, looks=looks, **FAILED | {"due_at": NOW}))
    Attempt.objects.update(state="declined", ended_at=NOW)
    row, _ = settle(seen("requires_payment_method"), at=NOW + timedelta(seconds=seconds))
    assert row.due_at == (None if due_after is None else NOW + timedelta(seconds=due_after))
    assert (row.status, row.looks) == ("failed", then)


def test_a_retry_that_comes_before_the_next_look_keeps_its_time() -> None:
    """Due is what comes first."""
    retry_at = NOW + timedelta(seconds=30)
    attempt(payment(intent_id="pi_1", livemode=False, retry_at=retry_at, **FAILED | {"due_at": NOW}))
    Attempt.objects.update(state="declined", ended_at=NOW)
    assert settle(seen("requires_payment_method"))[0].due_at == retry_at


def test_the_last_answers_id_is_kept_for_whoever_asks_stripe() -> None:
    """An answer that has none doesn't take it away; a worker's lease ends with any."""
    attempt(payment(intent_id="pi_1", livemode=False, lease_until=SOON, deliveries=4))
    row, tried = settle(Unknown(why="500", request="req_1"))
    assert (row.lease_until, row.deliveries, tried.request_id) == (None, 0, "req_1")
    assert settle(Unknown(why="reset"))[1].request_id == "req_1"
    assert settle(Unknown(why="500", request="req_2"))[1].request_id == "req_2"
