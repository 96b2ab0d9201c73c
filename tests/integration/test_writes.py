"""What many payments write at the same moment: together, as if each had written for itself."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection
from django.test.utils import CaptureQueriesContext

from payments.answers import Declined, Intent, Seen, Unknown
from payments.charging import writes
from payments.charging.claim import Claim, Step
from payments.charging.settle import Settlement, settle_all
from payments.charging.writes import Bind, Learn, Send, Sending, Settle, bind_all, carry_out, send_all
from payments.models import Attempt, OutboxMessage, Payment, Transition
from payments.retry_policy import KEY_LIFETIME, NETWORK_CAP
from tests.integration.books import no_guards
from tests.integration.ledger_rows import FAILED, NOW, attempt, payment

pytestmark = pytest.mark.django_db
SOON = NOW + timedelta(seconds=1)
REQUEST = {"payment_method": "pm_1"}


def make(count: int, **of_payment: Any) -> list[Attempt]:
    """So many bound payments, each with an attempt under way."""
    made = []
    for number in range(count):
        name = f"sub_{uuid.uuid4()}"
        row = payment(subscription_id=name, intent_id=f"pi_{name}", livemode=False, **of_payment)
        made.append(attempt(row, sent_at=NOW, idempotency_key=f"key_{name}_{number}"))
    return made


def paid(row: Attempt, charge: str = "ch_1") -> Seen:
    """Stripe has charged it."""
    about = row.payment
    intent = Intent(
        id=about.intent_id or "", status="succeeded", amount=about.amount, currency=about.currency, livemode=False,
        payment=str(about.id), charge=charge, created_at=datetime(2026, 1, 31, tzinfo=UTC),
    )  # fmt: skip
    return Seen(intent=intent, request="req_1")


def states() -> dict[int, tuple[str, str]]:
    """Of each attempt's payment, and its own."""
    return {one.id: (one.payment.status, one.state) for one in Attempt.objects.select_related("payment")}


def test_each_answer_is_settled_for_its_own_payment() -> None:
    """P3, P4: rows, history and notifications are each one's, in the order in which they came."""
    good, poor, slow, late = make(4)
    settle_all(
        [
            Settlement(slow.id, Unknown(why="reset")),
            Settlement(good.id, paid(good, charge="ch_good")),
            Settlement(poor.id, Declined(code="card_declined", decline_code="lost_card", card="fp_1")),
            Settlement(late.id, paid(late, charge="ch_late")),
        ],
        now=SOON,
    )
    assert states() == {
        slow.id: ("pending", "unknown"), good.id: ("success", "succeeded"),
        poor.id: ("failed", "declined"), late.id: ("success", "succeeded"),
    }  # fmt: skip
    assert [Attempt.objects.get(id=one.id).charge_id for one in (good, late)] == ["ch_good", "ch_late"]
    steps = Transition.objects.order_by("id").values_list("attempt_id", "why")
    assert list(steps) == [
        (slow.id, "outcome unknown: reset"), (good.id, "Stripe says succeeded"),
        (poor.id, "declined: lost_card"), (late.id, "Stripe says succeeded"),
    ]  # fmt: skip
    told = OutboxMessage.objects.order_by("id").values_list("payment_id", flat=True)
    assert list(told) == [good.payment_id, poor.payment_id, late.payment_id]


@pytest.mark.parametrize("kind", ["learn", "bind", "send", "settle"])
def test_many_take_as_many_statements_as_two(kind: str) -> None:
    """Or the database would be what limits us."""

    def count(rows: list[Attempt]) -> int:
        writes: dict[str, list[Any]] = {
            "learn": [learn_of(row, "cus_1") for row in rows],
            "bind": [bind_of(row, f"pi_new_{row.id}") for row in rows],
            "send": [send_of(row) for row in rows],
            "settle": [Settle(attempt=row.id, answer=paid(row)) for row in rows],
        }
        with CaptureQueriesContext(connection) as asked:
            brought = carry_out(writes[kind], now=SOON)
        assert not [one for one in brought if isinstance(one, Exception)]
        return len(asked)

    rows_for = {"settle": make, "send": ready}.get(kind, unbound)
    assert count(rows_for(2)) >= count(rows_for(20))


def unbound(count: int) -> list[Attempt]:
    """So many payments that have no PaymentIntent yet, each with an attempt that was never sent."""
    made = []
    for _ in range(count):
        name = f"sub_{uuid.uuid4()}"
        made.append(
            attempt(payment(subscription_id=name), idempotency_key=f"key_{name}", key_made_at=NOW, request=REQUEST)
        )
    return made


def ready(count: int) -> list[Attempt]:
    """So many attempts whose payments have just been bound, and that were never sent."""
    made = unbound(count)
    for row in made:
        row.payment.intent_id, row.payment.livemode = f"pi_{row.id}", False
        row.payment.save(update_fields=["intent_id", "livemode"])
    return made


def send_of(row: Attempt) -> Send:
    """What its worker asks for when it is about to confirm."""
    return Send(attempt=row.id, intent=row.payment.intent_id or "")


def learn_of(row: Attempt, customer: str) -> Learn:
    """What its worker wants to write when Stripe has said whose method that is."""
    return Learn(payment=row.payment_id, payment_method=row.payment.payment_method, customer=customer)


def bind_of(row: Attempt, intent: str) -> Bind:
    """What its worker wants to write when Stripe has made this PaymentIntent."""
    about = row.payment
    claim = Claim(
        payment=about.id, attempt=row.id, number=1, step=Step.CHARGE, lease_until=NOW,
        subscription=about.subscription_id, amount=about.amount, currency=about.currency, payment_method="pm_1",
        customer="", intent=None, intent_customer="", account="", was_processing=False,
    )  # fmt: skip
    made = replace(paid(row).intent, id=intent, status="requires_confirmation")
    return Bind(claim=claim, made=made, account="acct_1")


def test_of_many_customers_each_is_remembered_for_its_own_method() -> None:
    """P1: not where another method came meanwhile, nor where the customer is known; nobody's is another one's."""
    first, second, moved, known = unbound(4)
    learnt = [learn_of(row, f"cus_{row.id}") for row in (second, first, moved, known)]
    Payment.objects.filter(id=moved.payment_id).update(payment_method="pm_other")
    Payment.objects.filter(id=known.payment_id).update(customer="")
    assert carry_out(learnt, now=SOON) == [None] * 4
    customers = dict(Payment.objects.values_list("id", "customer"))
    assert customers == {
        first.payment_id: f"cus_{first.id}", second.payment_id: f"cus_{second.id}",
        moved.payment_id: None, known.payment_id: "",
    }  # fmt: skip


def test_of_many_bindings_each_learns_what_is_bound() -> None:
    """P1: its own, another worker's, or none, as the payment is closed; what was never sent is marked as sent."""
    free, lost, closed = unbound(3)
    Payment.objects.filter(id=lost.payment_id).update(intent_id="pi_theirs", livemode=False)
    Payment.objects.filter(id=closed.payment_id).update(**FAILED, closed_at=NOW)
    found = bind_all([bind_of(row, f"pi_{row.id}") for row in (lost, free, closed)], now=SOON)
    assert found == ["pi_theirs", f"pi_{free.id}", None]
    row = Payment.objects.get(id=free.payment_id)
    assert (row.intent_id, row.account_id, row.livemode, row.intent_customer) == (f"pi_{free.id}", "acct_1", False, "")
    assert Payment.objects.get(id=closed.payment_id).intent_id is None
    assert set(Attempt.objects.values_list("sent_at", flat=True)) == {SOON}


def test_one_that_the_database_refuses_keeps_no_neighbour_from_binding() -> None:
    """Stripe has given one id for two payments: whoever comes second is told, and nobody else."""
    first, second, third = unbound(3)
    wishes = [bind_of(first, "pi_1"), bind_of(second, "pi_1"), bind_of(third, "pi_3")]
    brought = carry_out(wishes, now=SOON)
    assert (brought[0], type(brought[1]), brought[2]) == ("pi_1", IntegrityError, "pi_3")


def test_an_answer_that_can_not_be_written_keeps_no_neighbour_from_being_settled() -> None:
    """P4: nothing of the first try stays, and nobody is told twice."""
    first, broken, last = make(3)
    answers = [paid(first), paid(broken, charge="ch_\x00"), paid(last)]
    rows = (first, broken, last)
    brought = carry_out([Settle(attempt=row.id, answer=one) for row, one in zip(rows, answers, strict=True)], now=SOON)
    assert (brought[0], type(brought[1]), brought[2]) == (None, ValueError, None)
    assert [states()[row.id][0] for row in rows] == ["success", "pending", "success"]
    assert OutboxMessage.objects.count() == Transition.objects.count() == 2


def test_a_decline_whose_card_is_not_known_is_no_other_ones_decline(settings: Any) -> None:
    """Its neighbours' cards aren't known either; the networks' cap is of one card."""
    settings.RETRY_SOFT_AFTER = [timedelta(hours=1)]
    *neighbours, poor = make(NETWORK_CAP)
    answers = [Settlement(row.id, paid(row)) for row in neighbours]
    declined = Declined(code="card_declined", decline_code="insufficient_funds")
    settle_all([*answers, Settlement(poor.id, declined)], now=SOON)
    assert Payment.objects.get(id=poor.payment_id).retry_at == SOON + timedelta(hours=1)


def test_what_is_only_looked_at_is_no_decline_of_now(settings: Any) -> None:
    """It was counted when it was declined."""
    settings.RETRY_SOFT_AFTER = [timedelta(hours=1)]
    *before, poor = make(NETWORK_CAP // 2 + 1)
    Attempt.objects.filter(id__in=[row.id for row in before]).update(state="declined", ended_at=NOW, card="fp_1")
    Payment.objects.filter(id__in=[row.payment_id for row in before]).update(**FAILED | {"due_at": NOW})
    looks = [Settlement(row.id, Unknown(why="reset", request="req_2")) for row in before]
    declined = Declined(code="card_declined", decline_code="insufficient_funds", card="fp_1")
    settle_all([*looks, Settlement(poor.id, declined)], now=SOON)
    assert Payment.objects.get(id=poor.payment_id).retry_at == SOON + timedelta(hours=1)


def test_two_answers_about_one_payment_are_never_settled_in_one_breath() -> None:
    """P3: each must find what the other has made of the payment."""
    [row] = make(1)
    Attempt.objects.filter(id=row.id).update(state="declined", ended_at=NOW)
    again = attempt(row.payment, number=2, sent_at=NOW, idempotency_key="key_2")
    both = [Settlement(row.id, paid(row)), Settlement(again.id, Unknown(why="reset"))]
    with pytest.raises(ValueError, match="each of another payment"):
        settle_all(both, now=SOON)
    assert states() == {row.id: ("pending", "declined"), again.id: ("pending", "sending")}
    assert carry_out([Settle(attempt=one.attempt, answer=one.answer) for one in both], now=SOON) == [None, None]
    assert states() == {row.id: ("success", "declined"), again.id: ("success", "superseded")}


def test_after_a_lost_connection_nothing_is_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its COMMIT may have been carried out, and to count a look or a try twice would put off the next one."""
    lost = OperationalError("server closed the connection unexpectedly")

    def lose(*_: Any, **__: Any) -> None:
        raise lost

    monkeypatch.setattr(writes, "settle_all", lose)
    monkeypatch.setattr(connection, "is_usable", lambda: False)
    rows = make(2)
    brought = carry_out([Settle(attempt=row.id, answer=Unknown(why="reset")) for row in rows], now=SOON)
    assert brought == [lost, lost]
    assert set(states().values()) == {("pending", "sending")}


def test_of_many_that_are_about_to_confirm_each_gets_what_it_sends() -> None:
    """P1: what somebody has settled isn't sent; a key that is spent or old is renewed, any other is kept."""
    kept, spent, old, settled = ready(4)
    Attempt.objects.filter(id=spent.id).update(key_is_spent=True)
    Attempt.objects.filter(id=old.id).update(key_made_at=SOON - KEY_LIFETIME - timedelta(seconds=1))
    Attempt.objects.filter(id=settled.id).update(state="declined", ended_at=NOW)
    of_kept, of_spent, of_old, of_settled = send_all([send_of(row) for row in (kept, spent, old, settled)], now=SOON)
    assert of_kept == Sending(key=kept.idempotency_key, request=REQUEST)
    assert of_settled is None
    for row, sending in ((spent, of_spent), (old, of_old)):
        after = Attempt.objects.get(id=row.id)
        assert sending == Sending(key=after.idempotency_key, request=REQUEST)
        assert after.idempotency_key != row.idempotency_key
        assert (after.key_made_at, after.key_is_spent) == (SOON, False)
    sent = dict(Attempt.objects.values_list("id", "sent_at"))
    assert sent == {kept.id: SOON, spent.id: SOON, old.id: SOON, settled.id: None}


@pytest.mark.parametrize("bound", [None, "pi_other"])
def test_what_is_not_bound_any_more_is_not_sent(bound: str | None) -> None:
    """P1: a failover has lost the binding, and whoever comes next has bound or will bind another PaymentIntent."""
    kept, lost = ready(2)
    with no_guards():
        Payment.objects.filter(id=lost.payment_id).update(intent_id=bound)
    of_lost, of_kept = carry_out([send_of(lost), send_of(kept)], now=SOON)
    assert (of_lost, of_kept) == (None, Sending(key=kept.idempotency_key, request=REQUEST))
    assert dict(Attempt.objects.values_list("id", "sent_at")) == {kept.id: SOON, lost.id: None}
