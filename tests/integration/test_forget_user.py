"""`manage.py forget_user`: one user's personal data are gone from every row, and the ledger is as it was."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from payments import charging, intake, outbox, retention
from payments.gateway import Gateway
from payments.models import (
    Dispute,
    Erasure,
    InboxMessage,
    Job,
    JobItem,
    OutboxMessage,
    Payment,
    Subscription,
    Transition,
)
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.kafka_client import make_all_topics, name_topics
from tests.integration.ledger_rows import NOW, refund
from tests.integration.parked_rows import dismiss, park

pytestmark = pytest.mark.django_db

CANARY = "aida.canary@example.kz"
NAME = "Canary Aidova"
LEDGER = ("id", "amount", "price", "currency", "status", "user_id", "intent_id", "created_at", "settled_at", "number")
# Rows in which nothing of a user may be left, by table.
TABLES = (
    "payment", "attempt", "transition", "inboxmessage", "outboxmessage", "refund", "webhook", "job", "jobitem", "break",
    "staffentry",
)  # fmt: skip


def of_user(subscription: str, **changes: Any) -> dict[str, Any]:
    """An event with more about the user than is asked for."""
    found = event(subscription, **({"user": "u_canary"} | changes))
    found["user"] |= {"email": CANARY, "name": NAME, "phones": ["+7 701 000 11 22"]}
    return found


def settle(clock: Clock, gateway: Gateway) -> None:
    """Charge what is due, and tell it."""
    charging.charge(payment_ids=list(Payment.objects.values_list("id", flat=True)), gateway=gateway, clock=clock)
    outbox.mark_published(ids=[row.id for row in outbox.waiting(limit=100)], now=clock())


@pytest.fixture
def paid(clock: Clock, stripe_gateway: Gateway) -> Payment:
    """A payment that is paid and told, with a duplicate and a conflict that was dismissed; beside another user's."""
    accept(record(of_user("sub_1"), at=clock()), record(event("sub_2", user="u_2"), at=clock()), now=clock())
    settle(clock, stripe_gateway)
    clock.advance(seconds=1)
    accept(record(of_user("sub_1"), at=clock()), now=clock())
    clock.advance(seconds=1)
    conflict = park(of_user("sub_1", price=7), clock)
    intake.dismiss(record_id=conflict.id, who="staff: aida", why=f"{NAME} asked twice", now=clock())
    dismiss(park(b"not JSON, of " + CANARY.encode(), clock), clock)
    outbox.mark_published(ids=[row.id for row in outbox.waiting(limit=100)], now=clock())
    return Payment.objects.get(user_id="u_canary")


def everything() -> str:
    """All rows of all tables, as text; binary columns as Latin-1."""
    found = []
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT * FROM payments_{table}")  # noqa: S608 - a list above
            for row in cursor.fetchall():
                found += [bytes(one).decode("latin-1") if isinstance(one, memoryview) else str(one) for one in row]
    return "\n".join(found)


def forget(clock: Clock, user: str = "u_canary") -> Any:
    """As somebody does who was asked by letter."""
    return retention.forget(user_id=user, who="staff: aida", why="asked by letter", now=clock())


def test_nothing_of_the_user_is_left_and_the_ledger_is_as_it_was(clock: Clock, paid: Payment) -> None:
    """Canaries through every path; another user's data are left alone."""
    Transition.objects.create(
        payment=paid, from_status="success", to_status="success", who="staff: aida", why=f"{NAME} phoned: sorry",
        evidence={"note": f"wrote to {CANARY.upper()}", "intent": paid.intent_id}, at=clock(),
    )  # fmt: skip
    refund(payment=paid, reason=f"{NAME} was right", state="rejected", ended_at=NOW, due_at=None)
    job = Job.objects.create(
        action="notify",
        asked_by="aida",
        total=1,
        reason=f"for {CANARY}",
        created_at=clock(),
        state="done",
        ended_at=NOW,
    )
    JobItem.objects.create(job=job, number=1, payment=paid, state="done", at=NOW, text=f"told {CANARY}")
    ledger = list(Payment.objects.order_by("id").values(*LEDGER))
    history = list(Transition.objects.order_by("id").values("payment", "from_status", "to_status", "who", "at"))
    assert all(word in everything() for word in (CANARY, NAME, "+7 701", "4242"))
    found = forget(clock)
    left = everything()
    assert not [word for word in (CANARY, CANARY.upper(), NAME, "+7 701") if word in left]
    assert found.counts == {"texts": 5, "records": 4, "notifications": 3, "payments": 1}
    assert list(Payment.objects.order_by("id").values(*LEDGER)) == ledger
    assert list(Transition.objects.order_by("id").values("payment", "from_status", "to_status", "who", "at")) == history
    erased = Transition.objects.get(payment=paid, why__contains="phoned")
    assert (erased.why, erased.evidence) == (
        "[erased] phoned: sorry", {"note": "wrote to [erased]", "intent": paid.intent_id},
    )  # fmt: skip
    assert set(paid.attempts.values_list("brand", "last4", "card")) == {("", "", "")}
    assert Payment.objects.get(user_id="u_2").email == "a@b.kz"
    assert "a@b.kz" in left
    assert Erasure.objects.values_list("user_id", "who", "why").get() == ("u_canary", "staff: aida", "asked by letter")


def test_an_erasure_can_be_repeated(clock: Clock, paid: Payment) -> None:
    """There is nothing left to erase."""
    forget(clock)
    assert set(forget(clock).counts.values()) == {0}


def test_a_preview_says_the_same_and_changes_nothing(clock: Clock, paid: Payment) -> None:
    """It is taken back, whole."""
    found = retention.preview_forgetting(user_id="u_canary", now=clock())
    assert CANARY in everything()
    assert not Erasure.objects.exists()
    assert found == forget(clock)


def put_wait(payment: Payment) -> None:
    """It is tried again later."""
    Payment.objects.filter(id=payment.id).update(lease_until=datetime.now(UTC) + timedelta(days=999))


def put_refund(payment: Payment) -> None:
    refund(payment=payment)


def put_dispute(payment: Payment) -> None:
    Dispute.objects.create(
        dispute_id="dp_1", payment=payment, amount=1, currency="KZT", reason="fraudulent", status="needs_response",
        opened_at=NOW, seen_at=NOW,
    )  # fmt: skip


def put_untold(payment: Payment) -> None:
    OutboxMessage.objects.filter(payment=payment).update(published_at=None)


def put_parked(payment: Payment) -> None:
    InboxMessage.objects.filter(verdict="dismissed", subscription="sub_1").update(
        verdict="conflict", handled_at=None, handled_by="", handled_why=""
    )


def put_job(payment: Payment) -> None:
    job = Job.objects.create(action="notify", asked_by="aida", total=1, reason="x", created_at=NOW, state="running")
    JobItem.objects.create(job=job, number=1, payment=payment)


def put_pending(payment: Payment) -> None:
    Subscription.objects.create(id="sub_3")
    Payment.objects.create(
        subscription_id="sub_3", subscription_as_sent="sub_3", user_as_sent={}, user_id="u_canary", price=1, amount=100,
        currency="KZT", payment_method="pm_1", due_at=NOW, created_at=NOW, accepted_at=NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("put", "why"),
    [
        (put_wait, "is in a worker's hands"),
        (put_refund, "a refund is under way"),
        (put_dispute, "a dispute is open"),
        (put_untold, "something is not told yet"),
        (put_parked, "is parked: replay or dismiss it first"),
        (put_job, "a job is about to do something"),
        (put_pending, "is pending: wait for its outcome"),
    ],
)
def test_what_is_under_way_keeps_its_data(clock: Clock, paid: Payment, put: Any, why: str) -> None:
    """Each is named; nothing is erased, as it is needed."""
    put(paid)
    found = forget(clock)
    assert isinstance(found, retention.NotForgettable)
    assert len(found.why) == 1
    assert why in found.why[0]
    assert CANARY in everything()
    assert not Erasure.objects.exists()


def test_a_payment_that_may_be_tried_again_keeps_its_data(clock: Clock, stripe_gateway: Gateway) -> None:
    """For a day after it has failed Stripe is looked at; then it rests."""
    accept(record(of_user("sub_1", method="pm_card_chargeDeclined"), at=clock()), now=clock())
    settle(clock, stripe_gateway)
    found = forget(clock)
    assert isinstance(found, retention.NotForgettable)
    assert "is looked at or tried again" in found.why[0]
    Payment.objects.update(due_at=None)
    assert isinstance(forget(clock), retention.Forgotten)


def test_history_bears_an_erasure_and_no_other_change(clock: Clock, paid: Payment) -> None:
    """Pieces blanked, in the transaction that says who erases: nothing else, and nobody at a psql prompt."""

    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Transition.objects.update(why="[erased]")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        erase()
        Transition.objects.filter(why="accepted").update(why="never accepted")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        erase()
        Transition.objects.update(who="[erased]")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        erase()
        Transition.objects.all().delete()
    with transaction.atomic():
        erase()
        assert Transition.objects.filter(why="accepted").update(why="acc[erased]") == 2
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Erasure.objects.update(why="never")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Erasure.objects.all().delete()


def erase() -> None:
    """The row that a transaction must write."""
    Erasure.objects.create(user_id="u", who="aida", why="a test", at=NOW)


@pytest.mark.django_db(transaction=True)
def test_an_erasure_of_another_transaction_is_no_leave(clock: Clock) -> None:
    """Each has to say so anew."""
    accept(record(event("sub_1"), at=clock()), now=clock())
    erase()
    with pytest.raises(IntegrityError, match="append-only"):
        Transition.objects.update(why="[erased]")


def test_the_command_previews_then_acts_and_says_what_kafka_holds(
    paid: Payment, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Until when, by the topics' own retention."""
    make_all_topics(name_topics(settings), partitions=1)
    call_command("forget_user", "u_canary")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Would be erased: ")
    assert lines[1].startswith(
        f"Kafka, {settings.KAFKA_TOPIC_PAYMENTS}: has deleted the last record of this user by 2026"
    )
    assert lines[-1] == "Nothing was changed. Add --yes to act."
    with pytest.raises(CommandError, match="--yes needs a --reason"):
        call_command("forget_user", "u_canary", "--yes")
    call_command("forget_user", "u_canary", "--reason", "asked by letter", "--yes", "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["acted"], told["payments"]) == (True, 1)
    assert set(told["kafka"]) == {
        settings.KAFKA_TOPIC_PAYMENTS,
        settings.KAFKA_TOPIC_NOTIFICATIONS,
        settings.KAFKA_TOPIC_DEAD_LETTERS,
    }
    assert CANARY not in everything()
    with pytest.raises(CommandError, match="not erased: there is no payment of this user"):
        call_command("forget_user", "nobody", "--json")
    assert json.loads(capsys.readouterr().out) == {
        "acted": False, "refused": ["there is no payment of this user"],
    }  # fmt: skip


def test_a_kafka_that_is_away_keeps_nobody_from_being_forgotten(
    paid: Payment, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it holds is then said to be unknown."""
    settings.KAFKA_BROKER = "127.0.0.1:1"
    call_command("forget_user", "u_canary", "--reason", "asked by letter", "--yes")
    out = capsys.readouterr().out
    assert "could not be asked how long it keeps records" in out
    assert out.startswith("Erased: ")
