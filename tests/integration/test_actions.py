"""What staff may do to a payment: each action does what it says, or says why not and changes nothing."""

import json
from typing import Any

import pytest

from billing_project.dev.simulator import Simulator
from payments import actions, charging, intake, jobs, money, outbox
from payments.actions import ACTIONS, ArgumentInvalid
from payments.gateway import Gateway
from payments.models import Break, InboxMessage, OutboxMessage, Payment, Transition
from tests.conftest import Clock
from tests.integration.desk import AIDA, again, ask, do, finish, read, settle_each, wish_for
from tests.integration.events import accept, event, record
from tests.integration.parked_rows import conflict, park, value

pytestmark = pytest.mark.django_db

POSSIBLE = {
    "poor": {"retry", "retry_with", "refresh", "notify", "close"},
    "lost": {"retry_with", "refresh", "notify", "close"},
    "sca": {"retry_with", "refresh", "notify", "close"},
    "paid": {"refresh", "notify", "refund"},
    "unknown": {"refresh", "close"},
}


@pytest.fixture
def payments(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> dict[str, Payment]:
    """One in each state."""
    return settle_each(stripe, stripe_gateway, clock)


def pay_with_a_card_that_changes_its_mind(stripe: Simulator, gateway: Gateway, clock: Clock) -> Payment:
    """Declined the first time, for want of money."""
    stripe.control.add_payment_method(id="pm_moody", behaviour=[{"decline_code": "insufficient_funds"}, "success"])
    accepted = accept(record(event("moody", method="pm_moody"), at=clock()), now=clock())
    return again(read(accepted.due[0]), gateway, clock)


def row(payment: Payment) -> dict[str, Any]:
    """All that is stored of a payment."""
    return dict(Payment.objects.filter(id=payment.id).values().get())


@pytest.mark.parametrize("name", POSSIBLE)
def test_each_state_allows_its_own_actions(payments: dict[str, Payment], clock: Clock, name: str) -> None:
    """And every other one is refused with a sentence, and refused again when it is asked for all the same."""
    for action in actions.ON_PAYMENTS:
        why_not = action.find_refusal(payments[name], clock())
        assert bool(why_not) != (action.name in POSSIBLE[name]), (action.name, why_not)
        if not why_not:
            continue
        before = row(payments[name])
        arguments = {"payment_method": "pm_2"} if action.name == "retry_with" else {}
        wish = wish_for(payments[name].id, clock, **arguments)
        assert isinstance(action.act(wish), actions.Refused), action.name
        assert row(payments[name]) == before


def test_a_retry_is_one_more_attempt_at_the_same_intent(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P1: the same PaymentIntent serves again; and who asked for it, and why, is in the history."""
    poor = pay_with_a_card_that_changes_its_mind(stripe, stripe_gateway, clock)
    assert do("retry", poor, clock)[0] == "done"
    paid = again(poor, stripe_gateway, clock)
    assert (paid.status, paid.intent_id) == ("success", poor.intent_id)
    assert Transition.objects.filter(payment=paid, who=AIDA, why="agreed by phone", to_status="pending").count() == 1


def test_another_payment_method_is_charged_where_the_first_was_declined_for_good(
    payments: dict[str, Payment], stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """On the same PaymentIntent."""
    assert do("retry_with", payments["lost"], clock, payment_method="pm_card_visa")[0] == "done"
    paid = again(payments["lost"], stripe_gateway, clock)
    assert (paid.status, paid.payment_method, paid.intent_id) == ("success", "pm_card_visa", payments["lost"].intent_id)


@pytest.mark.parametrize("given", ["", "4242424242424242", "cus_1", "pm_", "pm_ 1"])
def test_what_is_no_payment_method_is_told_so(payments: dict[str, Payment], given: str) -> None:
    """Before anything is asked for."""
    [argument] = ACTIONS["retry_with"].arguments
    with pytest.raises(ArgumentInvalid, match="must be Stripe's id"):
        argument.read(given, payments["lost"])


def test_a_slip_of_the_hand_charges_no_stranger(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """A payment method that belongs to another customer than the payment is refused by name of the fault."""
    stripe.control.add_payment_method(id="pm_mine", customer="cus_mine", decline_code="lost_card")
    stripe.control.add_payment_method(id="pm_other", customer="cus_other")
    accepted = accept(record(event("owned", method="pm_mine"), at=clock()), now=clock())
    charging.charge(payment_ids=accepted.due, gateway=stripe_gateway, clock=clock)
    payment = read(accepted.due[0])
    assert (payment.status, payment.customer) == ("failed", "cus_mine")
    [argument] = ACTIONS["retry_with"].arguments
    with pytest.raises(ArgumentInvalid, match="another customer"):
        argument.read("pm_other", payment)
    with pytest.raises(ArgumentInvalid, match="not known to Stripe"):
        argument.read("pm_card_nobody_has", payment)


def test_a_closed_payment_is_issued_again_and_charged(
    payments: dict[str, Payment], stripe_gateway: Gateway, clock: Clock
) -> None:
    """Close first; then a new payment of the same subscription, due now."""
    assert do("close", payments["poor"], clock) == ("done", "is closed")
    assert read(payments["poor"].id).closed_at
    state, text = do("reissue", read(payments["poor"].id), clock)
    made = Payment.objects.get(subscription_id="poor", number=2)
    assert (state, text) == ("done", f"is issued again as {made.id}")
    assert made.due_at == clock()


def test_a_close_that_was_done_and_not_noted_is_noted(payments: dict[str, Payment], clock: Clock) -> None:
    """A worker died between Stripe and the note: the same job says that it is closed, another that it was."""
    job = ask("close", [payments["poor"]], clock)
    wish = wish_for(payments["poor"].id, clock)
    assert isinstance(ACTIONS["close"].act(wish), actions.Did)
    assert finish(job, clock) == [("done", "is closed")]


def test_a_refund_is_asked_for_once(payments: dict[str, Payment], clock: Clock) -> None:
    """In part, in the currency's minor units; the rest stays."""
    argument = ACTIONS["refund"].arguments[0]
    amount = argument.read("12,50", payments["paid"])
    state, text = do("refund", payments["paid"], clock, amount=amount)
    assert (state, text) == ("done", f"{money.for_people(1250, currency='KZT')} go back")
    assert list(payments["paid"].refunds.values_list("amount", "asked_by", "reason")) == [
        (1250, AIDA, "agreed by phone")
    ]
    for given, why in (("100", "only 87.50"), ("0", "greater than 0"), ("1.005", "more decimals"), ("x", "a number")):
        with pytest.raises(ArgumentInvalid, match=why):
            argument.read(given, payments["paid"])


def test_a_notification_is_sent_again_under_an_id_of_its_own(payments: dict[str, Payment], clock: Clock) -> None:
    """As it stands, with the id of the first one, so that a consumer which drops known ids takes it."""
    first = OutboxMessage.objects.get(payment=payments["poor"])
    for _ in range(2):
        assert do("notify", payments["poor"], clock) == ("done", "is told again as “failed”")
    told = list(OutboxMessage.objects.filter(payment=payments["poor"]).order_by("id"))
    assert len({one.message_id for one in told}) == 3
    for one in told[1:]:
        body, original = (json.loads(bytes(each.value or b"")) for each in (one, first))
        assert body["payment"]["metadata"].pop("resendOf") == first.message_id
        assert body == original
        assert one.headers["ce_id"] == one.message_id
    assert outbox.last_told(payments["poor"]) == first
    assert Transition.objects.filter(payment=payments["poor"], why="told again: agreed by phone").count() == 2


def test_stripe_is_asked_about_what_is_unknown(
    payments: dict[str, Payment], stripe_gateway: Gateway, clock: Clock
) -> None:
    """It is due at once; a worker asks."""
    assert do("refresh", payments["unknown"], clock) == ("done", "Stripe is being asked")
    assert again(payments["unknown"], stripe_gateway, clock).status == "success"


def test_stripe_is_asked_what_went_back(payments: dict[str, Payment], stripe: Simulator, clock: Clock) -> None:
    """A refund that somebody made in Stripe's dashboard shows here."""
    stripe.control.refund(payment_intent=payments["paid"].intent_id or "", amount=2_000)
    assert do("refresh", payments["paid"], clock) == ("done", "Stripe says the same")
    assert read(payments["paid"].id).refunded == 2_000


def test_a_stripe_that_gives_no_answer_is_said_so(
    payments: dict[str, Payment], stripe: Simulator, clock: Clock
) -> None:
    """And nothing is noted as done."""
    stripe.control.add_fault(kind="status", status=500, endpoint="retrieve")
    state, text = do("refresh", payments["paid"], clock)
    assert (state, "gave no answer" in text) == ("refused", True)


def test_a_parked_record_is_corrected_and_charged(clock: Clock) -> None:
    """Through the front door; a second time it isn't parked any more."""
    parked = park(b'{"subId": "sub_1"', clock)
    corrected = value("sub_1").decode()
    assert ACTIONS["correct_record"].arguments[0].read(corrected, parked) == corrected
    state, text = do("correct_record", parked, clock, value=corrected)
    payment = Payment.objects.get()
    assert (state, text) == ("done", f"is accepted: payment {payment.id}")
    parked.refresh_from_db()
    assert ACTIONS["replay_record"].find_refusal(parked, clock()) == "it isn't parked: it is “accepted”"


@pytest.mark.parametrize(
    ("given", "why"),
    [("{", "not JSON"), ("[]", "object in braces"), ('{"a": "4242 4242 4242 4242"}', "card number")],
)
def test_a_correction_that_nobody_can_read_is_told_so(clock: Clock, given: str, why: str) -> None:
    """Before it is judged."""
    with pytest.raises(ArgumentInvalid, match=why):
        ACTIONS["correct_record"].arguments[0].read(given, park(b"{", clock))


def test_a_record_that_is_still_wrong_stays_parked(clock: Clock) -> None:
    """And says why."""
    _, parked = conflict(clock)
    state, text = do("replay_record", parked, clock)
    assert state == "refused"
    assert "amount" in text or "price" in text
    assert InboxMessage.objects.get(id=parked.id).verdict == "conflict"


def test_a_record_is_dismissed_with_a_name_and_a_reason(clock: Clock) -> None:
    """Off the list for good."""
    parked = park(b"{", clock)
    assert do("dismiss_record", parked, clock) == ("done", "is dismissed")
    parked.refresh_from_db()
    assert (parked.verdict, parked.handled_by, parked.handled_why) == ("dismissed", AIDA, "agreed by phone")
    assert intake.dismiss(record_id=parked.id, who=AIDA, why="x", now=clock()) == intake.NotParked(verdict="dismissed")


def test_a_break_is_settled_with_a_name_and_a_reason(clock: Clock) -> None:
    """Once."""
    broken = Break.objects.create(
        kind="paid_there", intent_id="pi_1", reason="paid there", found_at=clock(), seen_at=clock()
    )
    second = jobs.draft(action=ACTIONS["settle_break"], subjects=[broken], who=AIDA, now=clock())
    assert do("settle_break", broken, clock) == ("done", "is settled")
    broken.refresh_from_db()
    assert (broken.closed_by, broken.closed_why) == (AIDA, "agreed by phone")
    jobs.confirm(job=second, who=AIDA, why="too", arguments={}, now=clock())
    assert finish(second, clock) == [("refused", "it is closed already")]
