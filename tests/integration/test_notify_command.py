"""`manage.py notify`: a payment is told once more, by whatever id somebody has."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from billing_project.dev.simulator import Simulator
from payments.gateway import Gateway
from payments.models import OutboxMessage, Payment, Transition
from tests.conftest import Clock
from tests.integration.desk import settle_each

pytestmark = pytest.mark.django_db


@pytest.fixture
def payments(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> dict[str, Payment]:
    """Paid, declined, and one that nobody knows of."""
    return settle_each(stripe, stripe_gateway, clock)


def notify(*arguments: Any) -> str:
    """The command's output."""
    out = StringIO()
    call_command("notify", *map(str, arguments), stdout=out)
    return out.getvalue()


def told(payment: Payment) -> list[OutboxMessage]:
    """Its notifications, in order."""
    return list(OutboxMessage.objects.filter(payment=payment).order_by("id"))


def test_a_dry_run_tells_nobody(payments: dict[str, Payment]) -> None:
    """Of its payment, in a line."""
    paid = payments["paid"]
    assert notify("paid") == f"{paid.id} (paid, success) would be told again.\nNothing was changed. Add --yes to act.\n"
    assert len(told(paid)) == 1


@pytest.mark.parametrize("by", ["id", "subscription_id", "intent_id"])
def test_it_is_told_as_it_stands_under_an_id_of_its_own(payments: dict[str, Payment], by: str) -> None:
    """It names the first one, and its history says who asked and why."""
    paid = payments["paid"]
    document = json.loads(notify(getattr(paid, by), "--reason", "the e-mail was lost", "--yes", "--json"))
    assert document == {"payment": str(paid.id), "status": "success", "acted": True}
    first, again = told(paid)
    body = json.loads(bytes(again.value or b""))["payment"]
    assert (body["status"], body["metadata"]["resendOf"]) == ("success", first.message_id)
    step = Transition.objects.filter(payment=paid).latest("id")
    assert (step.who, step.why) == ("staff: command line", "told again: the e-mail was lost")


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("unknown", "nobody is told: its outcome isn't known yet: it is told by itself when it is"),
        ("a@b.kz", "a@b.kz is of several payments: name one, as manage.py explain lists them"),
        ("nobody", "there is no payment nobody"),
        ("00000000-0000-0000-0000-000000000000", "there is no payment 00000000"),
    ],
)
@pytest.mark.parametrize("yes", [(), ("--yes", "--reason", "x")])
def test_what_can_not_be_told_is_one_line(
    payments: dict[str, Payment], what: str, line: str, yes: tuple[str, ...]
) -> None:
    """Exit code 1, also of a dry run."""
    with pytest.raises(CommandError, match=line) as refused:
        notify(what, *yes)
    assert refused.value.returncode == 1
    assert OutboxMessage.objects.count() == 4


def test_nobody_is_told_without_a_reason(payments: dict[str, Payment]) -> None:
    """It is kept."""
    with pytest.raises(CommandError, match="--yes needs a --reason"):
        notify("paid", "--yes")
