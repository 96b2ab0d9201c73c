"""Commands that do nothing, or are cut off: the one line that says why, the exit code, and what is as it was."""

import pytest
from django.core.management import CommandError, call_command

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.gateway import Gateway
from payments.models import Job, Payment, Pruned
from tests.conftest import Clock
from tests.integration.commands import run_command
from tests.integration.desk import ask, fail_many, settle_one

pytestmark = pytest.mark.django_db


def test_what_is_paid_is_not_closed(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Exit code 1, and Stripe isn't asked."""
    paid = settle_one("paid", stripe_gateway, clock)
    asked = len(stripe.control.requests())
    out, error, code = run_command("close", "paid", "--reason", "wrong price", "--yes")
    assert (out, error, code) == ("", f"{paid.id} is not closed: it is paid: refund it instead", 1)
    assert len(stripe.control.requests()) == asked


def test_a_dry_run_of_a_reissue_makes_no_payment(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """It says which one, and what for; an open one is refused."""
    lost = settle_one("lost", stripe_gateway, clock)
    assert run_command("reissue", "lost")[1:] == (f"{lost.id} is not re-issued: it is open: close it first", 1)
    run_command("close", "lost", "--reason", "wrong price", "--yes")
    assert run_command("reissue", "lost", "--reason", "right price") == (
        f"{lost.id} (lost, 100.00\N{NO-BREAK SPACE}KZT, failed) would be re-issued.\n"
        "Nothing was changed. Add --yes to act.\n",
        "", 0,
    )  # fmt: skip
    assert Payment.objects.filter(subscription_id="lost").count() == 1
    out, _, code = run_command("reissue", "lost", "--reason", "right price", "--yes")
    made = Payment.objects.get(subscription_id="lost", number=2)
    assert (out, code) == (f"{made.id} is due now.\n", 0)


def test_a_dry_run_of_a_drain_says_what_no_stop_has_to_wait_for(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Outcomes that nobody knows yet, and jobs that run: both go on afterwards."""
    stripe.control.add_fault(kind="reset", endpoint="confirm")
    settle_one("paid", stripe_gateway, clock)
    ask("retry", fail_many(1, stripe_gateway, clock), clock)
    out, _, code = run_command("drain", "--dry-run")
    assert "1 outcomes are not known yet: Stripe is asked for them after resume.\n" in out
    assert "1 jobs run: a worker that is stopped ends its slice, and they go on later.\n" in out
    assert (code, charging.is_paused(), Job.objects.get().state) == (0, False, "running")


@pytest.mark.parametrize("pause", ["soon", "-1", "61", "nan"])
def test_a_pause_that_is_none_is_refused(pause: str) -> None:
    """Nothing is removed."""
    with pytest.raises(CommandError, match="must be a number of seconds from 0 to 60"):
        call_command("prune", "--yes", "--pause", pause)
    assert not Pruned.objects.exists()
