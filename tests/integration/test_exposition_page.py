"""The page that Prometheus reads: closed to strangers, cheap, and with what this process has asked of Stripe."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from billing_project import health
from billing_project.dev.simulator import Simulator
from payments import charging, counters
from payments.gateway import Gateway
from payments.models import Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.watching import numbers

TOKEN = "only-for-tests-0123456789"


@pytest.fixture
def token(settings: Any) -> Iterator[str]:
    """The setting, and nothing read yet."""
    settings.METRICS_TOKEN = TOKEN
    health.numbers.forget()
    yield TOKEN
    health.numbers.forget()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("header", "status"),
    [(None, 401), ("Bearer wrong", 401), (f"Basic {TOKEN}", 401), (TOKEN, 401), (f"Bearer {TOKEN}", 200)],
)
def test_numbers_are_for_whoever_has_the_token(client: Client, token: str, header: str | None, status: int) -> None:
    """Whatever Host is asked for: Prometheus comes by IP address."""
    headers = {"Authorization": header} if header else {}
    answer = client.get("/metrics", headers=headers, SERVER_NAME="10.0.0.7")
    assert answer.status_code == status
    assert (b"billing_ledger_up" in answer.content) == (status == 200)
    if status == 401:
        assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.django_db
def test_without_a_token_there_is_no_such_page(client: Client, settings: Any) -> None:
    """Nobody opens it by accident; not even with an empty password."""
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


@pytest.mark.django_db
def test_however_often_they_are_asked_for_the_database_is_asked_once_in_a_while(
    client: Client, token: str, django_assert_num_queries: Any
) -> None:
    """Ten Prometheus servers cost what one does."""
    headers = {"Authorization": f"Bearer {token}"}
    first = client.get("/metrics", headers=headers).content
    with django_assert_num_queries(0):
        assert {client.get("/metrics", headers=headers).content for _ in range(10)} == {first}


def answered(**labels: str) -> float:
    """How many calls to Stripe this process has counted."""
    return counters.WORKER.get_sample_value("billing_stripe_answers_total", labels) or 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ({}, "answered"),
        ({"kind": "status", "status": 500, "effect": "before"}, "server_error"),
        ({"kind": "status", "status": 429, "effect": "before"}, "too_many"),
        ({"kind": "status", "status": 409, "effect": "before"}, "conflict"),
        ({"kind": "status", "status": 401, "effect": "before"}, "key_refused"),
        ({"kind": "reset", "effect": "before"}, "no_answer"),
        ({"kind": "garble", "effect": "before"}, "unreadable"),
    ],
)
def test_each_answer_of_stripes_is_counted_by_what_it_proves(
    stripe: Simulator, stripe_gateway: Gateway, fault: dict[str, Any], answer: str
) -> None:
    """With the time that it took."""
    if fault:
        stripe.control.add_fault(endpoint="payment_methods.retrieve", **fault)
    before = answered(endpoint="payment_method", answer=answer)
    took = "billing_stripe_seconds_count"
    calls = counters.WORKER.get_sample_value(took, {"endpoint": "payment_method"}) or 0
    stripe_gateway.owner_of(payment_method="pm_card_visa")
    assert answered(endpoint="payment_method", answer=answer) == before + 1
    assert counters.WORKER.get_sample_value(took, {"endpoint": "payment_method"}) == calls + 1


@pytest.mark.django_db
def test_the_web_process_tells_what_it_has_asked_of_stripe(
    client: Client, token: str, stripe: Simulator, stripe_gateway: Gateway
) -> None:
    """Whoever opens a payment may make it ask; beside the rows, as it has no port of its own."""
    stripe_gateway.owner_of(payment_method="pm_card_visa")
    told = numbers(client.get("/metrics", headers={"Authorization": f"Bearer {token}"}).content)
    made = answered(endpoint="payment_method", answer="answered")
    assert told["stripe_answers_total[answer=answered,endpoint=payment_method]"] == made > 0
    assert told["stripe_seconds_count[endpoint=payment_method]"] >= made


@pytest.mark.django_db
def test_declines_and_wrong_requests_are_counted_as_such(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Stripe is well when it says no."""
    kinds = (("confirm", "declined"), ("payment_method", "rejected"))
    before = [answered(endpoint=endpoint, answer=answer) for endpoint, answer in kinds]
    for subscription, method in [("sub_1", "pm_card_chargeDeclined"), ("sub_2", "pm_card_gone")]:
        accept(record(event(subscription, method=method), at=clock()), now=clock())
    charging.charge(payment_ids=list(Payment.objects.values_list("id", flat=True)), gateway=stripe_gateway, clock=clock)
    after = [answered(endpoint=endpoint, answer=answer) for endpoint, answer in kinds]
    assert after == [number + 1 for number in before]
