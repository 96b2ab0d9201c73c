"""A refund that somebody has previewed is of the sum that they saw, whatever becomes free or is taken meanwhile."""

from typing import Any

import pytest

from billing_project.dev.simulator import Simulator
from payments import jobs
from payments.actions import ACTIONS
from payments.gateway import Gateway
from payments.models import Job, JobItem, Payment, Refund
from tests.conftest import Clock
from tests.integration.desk import AIDA, BULAT, draft, finish
from tests.integration.desk import ask as ask_at_desk
from tests.integration.refunding import ask, carry_out, pay
from tests.integration.test_job_pages import begin, login, read, step

pytestmark = pytest.mark.django_db

TWENTY = "20.00\N{NO-BREAK SPACE}KZT"


@pytest.fixture
def payments(stripe_gateway: Gateway, clock: Clock) -> list[Payment]:
    """100 KZT each, of which 80 are on their way back, and 20 are left."""
    card = "pm_card_pendingRefund"
    paid = [pay(stripe_gateway, clock, subscription=name, user=f"u_{name}", method=card) for name in ("a", "b")]
    for payment in paid:
        ask(payment, clock, 8_000)
    assert carry_out(stripe_gateway, clock) == ["pending", "pending"]
    return paid


def give_back(stripe: Simulator, gateway: Gateway, clock: Clock) -> None:
    """The bank can't carry out what was on its way: all is left again."""
    for refund in Refund.objects.filter(state="pending"):
        stripe.control.resolve_refund(refund=refund.refund_id or "", outcome="failed")
    clock.advance(days=1)
    assert carry_out(gateway, clock) == ["failed", "failed"]


def new() -> list[int]:
    """The amounts of the refunds that jobs have asked for."""
    return list(Refund.objects.filter(asked_by=AIDA).order_by("payment__subscription").values_list("amount", flat=True))


@pytest.mark.usefixtures("empty_redis")
def test_a_refund_without_an_amount_is_of_what_the_page_has_shown(
    payments: list[Payment], stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """What an earlier one leaves free after the preview goes back to nobody who hasn't seen it."""
    aida = login("aida", "refund_payment")
    address = begin(aida, "refund", payments[0])
    assert "Refund: 20.00 KZT" in read(aida, address)
    give_back(stripe, stripe_gateway, clock)
    step(aida, address, "confirm", why="all of it", amount="")
    assert finish(Job.objects.get(), clock) == [("done", f"{TWENTY} go back")]
    assert new() == [2_000]


@pytest.mark.parametrize(("most", "state"), [(40, "running"), (39, "approval")])
def test_many_refunds_are_of_what_was_previewed_and_approved(
    payments: list[Payment], stripe: Simulator, stripe_gateway: Gateway, clock: Clock, settings: Any, most: int,
    state: str,
) -> None:  # fmt: skip
    """What is shown, what a second person is asked for, and what goes back are one sum."""
    settings.APPROVAL_ABOVE_SUM = {"KZT": most}
    job = ask_at_desk("refund", payments, clock)
    assert (job.state, jobs.preview(job).sums) == (state, {"KZT": 4_000})
    if state == "approval":
        jobs.approve(job=job, who=BULAT, now=clock())
    give_back(stripe, stripe_gateway, clock)
    assert finish(job, clock) == [("done", f"{TWENTY} go back")] * 2
    assert (new(), job.sums) == ([2_000, 2_000], {"KZT": 4_000})


def test_where_less_is_left_than_was_previewed_nothing_goes_back(payments: list[Payment], clock: Clock) -> None:
    """Somebody else was faster: whoever wants the rest looks again."""
    job = ask_at_desk("refund", payments, clock)
    ask(payments[0], clock, 500)
    ask(payments[1], clock)
    assert finish(job, clock) == [
        ("refused", "only 15.00\N{NO-BREAK SPACE}KZT is left to refund"),
        ("refused", "all of it is refunded, or is about to be"),
    ]
    assert new() == []


def test_an_amount_that_was_given_is_what_goes_back(
    payments: list[Payment], stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Whatever the preview counted."""
    job = ask_at_desk("refund", payments[:1], clock, amount=500)
    give_back(stripe, stripe_gateway, clock)
    finish(job, clock)
    assert new() == [500]


def test_an_item_that_a_version_before_has_previewed_is_of_all_that_is_left(
    payments: list[Payment], stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """It kept no sum."""
    job = draft("refund", payments[:1], clock)
    JobItem.objects.update(takes=None)
    jobs.confirm(job=job, who=AIDA, why="all of it", arguments={}, now=clock())
    give_back(stripe, stripe_gateway, clock)
    finish(job, clock)
    assert new() == [10_000]


def test_the_sum_of_a_preview_is_that_of_what_can_be_done(payments: list[Payment], clock: Clock) -> None:
    """What is refused, and what moves no money, has none."""
    ask(payments[1], clock)
    job = draft("refund", payments, clock)
    assert list(job.items.order_by("number").values_list("takes", flat=True)) == [2_000, None]
    assert job.sums == {"KZT": 2_000}
    [item] = draft("notify", payments[:1], clock).items.all()
    assert (ACTIONS["notify"].takes, item.takes) == (None, None)
