"""`manage.py forget_user`: one user's personal data are gone from every row, and the ledger is as it was."""

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from payments import retention
from payments.gateway import Gateway
from payments.models import Erasure, Job, JobItem, Payment, Transition
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.forgetting import CANARY, NAME, everything, forget, pay_and_dismiss
from tests.integration.kafka_client import make_all_topics, name_topics
from tests.integration.ledger_rows import NOW, refund

pytestmark = pytest.mark.django_db

LEDGER = ("id", "amount", "price", "currency", "status", "user_id", "intent_id", "created_at", "settled_at", "number")


@pytest.fixture
def paid(clock: Clock, stripe_gateway: Gateway) -> Payment:
    """Nothing of it is under way; beside another user's."""
    return pay_and_dismiss(clock, stripe_gateway)


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
