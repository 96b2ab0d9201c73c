"""Charging stands still: by staff, or because Stripe refuses our key; intake goes on and nobody is failed."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import structlog
from django.core.management import call_command

from billing_project.dev.simulator import Simulator
from payments import charging, limits, reconcile, tasks
from payments.gateway import Gateway
from payments.models import OutboxMessage, Pause, Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.ledger_rows import restoring

pytestmark = pytest.mark.django_db


def take_in(clock: Clock, *names: str, **changes: Any) -> None:
    """One payment for each name."""
    for name in names:
        accept(record(event(name, **({"method": "pm_1"} | changes)), at=clock()), now=clock())


def charge(gateway: Gateway, clock: Clock, *names: str) -> dict[str, str]:
    """Charge these, or all that is due; the statuses of all."""
    chosen = Payment.objects.filter(subscription_id__in=names) if names else Payment.objects.all()
    charging.charge(payment_ids=list(chosen.values_list("id", flat=True)), gateway=gateway, clock=clock)
    return dict(Payment.objects.order_by("subscription_id").values_list("subscription_id", "status"))


def command(name: str, *arguments: str) -> str:
    """What a management command prints."""
    out = StringIO()
    with suppress(SystemExit):  # of resume, where something else holds charging
        call_command(name, *arguments, stdout=out)
    return out.getvalue()


def test_a_refused_key_stops_charging_for_everyone_and_a_probe_resumes_it(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, settings: Any
) -> None:
    """401: one payment finds out, the others aren't even tried; nothing is settled, and no hand is needed after."""
    take_in(clock, "a", "b")
    stripe.control.set_api_key(key=settings.STRIPE_SECRET_KEY, state="revoked")
    assert charge(stripe_gateway, clock, "a") == {"a": "pending", "b": "pending"}
    [pause] = Pause.objects.filter(ended_at__isnull=True)
    assert (pause.cause, pause.reason) == ("key", "Stripe refuses our key (401): check STRIPE_SECRET_KEY")
    asked = len(stripe.control.requests())
    clock.advance(minutes=1)
    assert charge(stripe_gateway, clock) == {"a": "pending", "b": "pending"}
    assert len(stripe.control.requests()) == asked, "Stripe was asked although charging is paused"

    charging.probe(gateway=stripe_gateway, now=clock())
    assert charging.is_paused(), "the key is still wrong"
    stripe.control.set_api_key(key=settings.STRIPE_SECRET_KEY, state="accepted")
    charging.probe(gateway=stripe_gateway, now=clock())
    assert charging.is_paused(), "not so soon after the last probe"
    charging.probe(gateway=stripe_gateway, now=clock.advance(seconds=15))
    assert charge(stripe_gateway, clock) == {"a": "success", "b": "success"}
    told = [json.loads(bytes(row.value or b""))["payment"]["status"] for row in OutboxMessage.objects.all()]
    assert told == ["success", "success"]


def test_a_403_that_the_probe_gets_too_stops_charging(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, settings: Any
) -> None:
    """A key that may do nothing is everyone's trouble."""
    take_in(clock, "a")
    stripe.control.set_api_key(key=settings.STRIPE_SECRET_KEY, state="restricted")
    assert charge(stripe_gateway, clock) == {"a": "pending"}
    assert charging.is_paused()


def test_a_403_for_one_payment_alone_stops_nobody_else(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """It stays pending and is shown to a person; its neighbours are charged."""
    take_in(clock, "a", "b")
    stripe.control.add_fault(
        kind="status", status=403, effect="none", endpoint="confirm", metadata={"subscription_id": "a"}
    )
    assert charge(stripe_gateway, clock) == {"a": "pending", "b": "success"}
    assert not charging.is_paused()
    assert "403" in Payment.objects.get(subscription_id="a").attention


@pytest.mark.parametrize(("account", "paused"), [("acct_other", True), ("acct_simulator", False)])
def test_a_bound_intent_that_is_not_there_is_asked_about_once_more(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, account: str, paused: bool
) -> None:
    """404: the key of another account stops everyone; one intent that is gone is one payment's trouble."""
    take_in(clock, "a")
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="before")
    charge(stripe_gateway, clock)
    with restoring():
        Payment.objects.update(intent_id="pi_gone", account_id=account)
    clock.advance(seconds=5)
    assert charge(stripe_gateway, clock) == {"a": "pending"}
    assert Payment.objects.get().attention.startswith("Stripe does not have its PaymentIntent (404)")
    assert charging.is_paused() is paused


def test_an_outage_opens_the_breaker_and_its_end_makes_unknowns_due_oldest_first(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """After ten failures in a row nobody waits for Stripe any more; nothing is failed; then they go before all else."""
    limits.breaker.forget()
    names = [f"n{number:02}" for number in range(12)]
    for name in names:  # of two that came at the very same time neither is older
        take_in(clock, name)
        clock.advance(seconds=1)
    Payment.objects.update(customer="")
    stripe.control.add_fault(kind="status", status=503, effect="none", count=None)
    for name in names[:10]:
        clock.advance(seconds=1)
        charge(stripe_gateway, clock, name)
    [pause] = Pause.objects.filter(ended_at__isnull=True)
    assert (pause.cause, pause.began_by) == ("outage", "breaker")
    asked = len(stripe.control.requests())
    clock.advance(minutes=30)
    assert set(charge(stripe_gateway, clock).values()) == {"pending"}
    charging.probe(gateway=stripe_gateway, now=clock())
    assert charging.is_paused()
    assert len(stripe.control.requests()) == asked + 1, "one probe, and nothing else"

    Payment.objects.filter(subscription_id__in=names[:10]).update(due_at=clock() + timedelta(hours=1))
    stripe.control.clear_faults()
    charging.probe(gateway=stripe_gateway, now=clock.advance(seconds=15))
    assert not charging.is_paused()
    due = dict(Payment.objects.values_list("id", "subscription_id"))
    assert [due[one] for one in charging.find_due(limit=100, now=clock())] == names
    assert set(charge(stripe_gateway, clock).values()) == {"success"}
    assert not stripe.ledger.twice_charged()


def test_an_outage_of_the_confirm_alone_opens_the_breaker_too(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """The good answers of the other endpoints in between say nothing of the one that customers wait for."""
    limits.breaker.forget()
    take_in(clock, *(f"n{number}" for number in range(10)))
    stripe.control.add_fault(kind="status", status=503, effect="none", endpoint="confirm", count=None)
    for number in range(9):
        charge(stripe_gateway, clock, f"n{number}")
    assert not charging.is_paused()
    assert set(charge(stripe_gateway, clock, "n9").values()) == {"pending"}
    assert charging.is_paused()


@pytest.mark.parametrize(("kind", "slower"), [("rate_limit", ["confirm"]), ("lock_timeout", [])])
def test_a_429_slows_everyone_down_unless_it_is_about_one_object(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, kind: str, slower: list[str]
) -> None:
    """It took nothing and failed nobody; the payment is asked about again soon."""
    limits.connect_redis().flushdb()
    take_in(clock, "a")
    stripe.control.add_fault(kind=kind, endpoint="confirm")
    with structlog.testing.capture_logs() as lines:
        assert charge(stripe_gateway, clock) == {"a": "pending"}
    assert [line["endpoint"] for line in lines if line["event"].startswith("slowed down")] == slower
    clock.advance(seconds=5)
    assert charge(stripe_gateway, clock) == {"a": "success"}


@pytest.mark.django_db(transaction=True)
def test_while_charging_is_paused_doorbells_do_not_pile_up(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Workers take them off the queue and do nothing; the sweep rings for nobody; nothing holds a lease."""
    limits.connect_redis().flushdb()
    charging.pause(cause="outage", reason="Stripe is down", who="breaker", now=clock())
    take_in(clock, "a", "b")
    Pause.objects.update(probed_at=datetime.now(UTC) + timedelta(hours=1))
    tasks.sweep()
    assert tasks.queued() == tasks.queued(queue=limits.BACKLOG_QUEUE) == 0
    ids = [str(one) for one in Payment.objects.values_list("id", flat=True)]
    tasks.charge(payment_ids=ids)
    tasks.charge(payment_ids=ids, fresh=False)
    assert stripe.control.requests() == []
    assert not Payment.objects.exclude(status="pending", lease_until=None, deliveries=0).exists()


@pytest.mark.parametrize("status", [409, 429])
def test_what_speaks_of_our_pace_does_not_open_the_breaker(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, status: int
) -> None:
    """409 and 429 are answers."""
    limits.breaker.forget()
    take_in(clock, *(f"n{number}" for number in range(12)))
    Payment.objects.update(customer="")
    stripe.control.add_fault(kind="status", status=status, effect="none", count=None)
    charge(stripe_gateway, clock)
    assert not charging.is_paused()


def test_what_stripe_answers_to_staff_and_to_the_reconciler_counts_too(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Whoever meets the outage first stops charging; a list and a close are answers of the same servers."""
    limits.breaker.forget()
    take_in(clock, "a", method="pm_card_chargeDeclined")
    assert charge(stripe_gateway, clock) == {"a": "failed"}
    stripe.control.add_fault(kind="status", status=503, effect="none", count=None)
    payment = Payment.objects.get()
    for _ in range(4):
        charging.close(payment_id=payment.id, who="aida", reason="off", gateway=stripe_gateway, now=clock())
    assert not charging.is_paused()
    hour_ago = clock() - timedelta(hours=1)
    for _ in range(2):
        reconcile.reconcile(gateway=stripe_gateway, clock=clock, from_at=hour_ago, until_at=clock(), asked_by="aida")
    assert Pause.objects.get().cause == "outage"


def test_staff_pause_and_resume(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Intake goes on; a probe doesn't end what staff began; the sweep doesn't ring meanwhile."""
    assert command("pause", "--reason", "the bank asked for it") == "Charging is paused.\n"
    assert command("pause", "--reason", "again") == "Charging was paused already.\n"
    take_in(clock, "a")
    limits.connect_redis().flushdb()
    tasks.sweep()
    assert tasks.queued() == 0
    charging.probe(gateway=stripe_gateway, now=clock())
    assert charge(stripe_gateway, clock) == {"a": "pending"}
    assert stripe.control.requests() == []
    assert command("resume") == "The pause of staff is over.\n"
    assert command("resume") == "Nobody had paused charging.\n"
    assert charge(stripe_gateway, clock) == {"a": "success"}


def test_resume_says_what_still_holds_charging(clock: Clock) -> None:
    """Two causes are two rows; each has its own end."""
    charging.pause(cause="key", reason="Stripe refuses our key (401)", who="stripe", now=clock())
    assert command("pause", "--reason", "lunch", "--dry-run") == "Charging would be paused. Nothing was changed.\n"
    command("pause", "--reason", "lunch")
    assert command("pause", "--reason", "lunch", "--dry-run") == "Charging was paused already.\n"
    assert command("resume", "--dry-run").startswith("The pause of staff would be over. Nothing was changed.\nStill")
    assert json.loads(command("resume", "--dry-run", "--json"))["still_paused"][0]["cause"] == "key"
    assert command("resume") == (
        "The pause of staff is over.\nStill paused since 2026-01-31 12:00 UTC: Stripe refuses our key (401)\n"
    )
    assert charging.is_paused()


def test_a_retry_with_the_method_of_another_customer_moves_the_intent_to_that_customer(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """A declined payment is tried again on the same intent, with another method and its customer."""
    stripe.control.add_payment_method(id="pm_poor", decline_code="insufficient_funds")
    stripe.control.add_payment_method(id="pm_rich", customer="cus_rich")
    take_in(clock, "a", method="pm_poor")
    assert charge(stripe_gateway, clock) == {"a": "failed"}
    clock.advance(minutes=5)
    take_in(clock, "a", method="pm_rich")
    assert charge(stripe_gateway, clock) == {"a": "success"}
    payment = Payment.objects.get()
    assert (payment.customer, payment.intent_customer) == ("cus_rich", "cus_rich")
    assert len(stripe.ledger.payment_intents_of("subscription_id", "a")) == 1
