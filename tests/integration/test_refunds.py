"""Refunds that staff ask for, where nothing goes wrong at Stripe."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from billing_project.dev.simulator import Simulator
from payments import charging, refunds
from payments.gateway import Gateway
from payments.models import Dispute, Payment, Refund, Transition
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.refunding import ask, audit, carry_out, only, pay, posts, refusal, states

pytestmark = pytest.mark.django_db


def test_all_of_it_goes_back_and_the_payment_stays_a_success(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """The row first, then Stripe; the status never changes, the sum stands beside it."""
    payment = pay(stripe_gateway, clock)
    refund = ask(payment, clock)
    assert (refund.state, refund.amount, refund.due_at) == ("sending", 10_000, clock())
    assert posts(stripe) == []
    assert carry_out(stripe_gateway, clock) == ["succeeded"]
    payment.refresh_from_db()
    assert (payment.status, payment.refunded, payment.due_at) == ("success", 10_000, None)
    refund = only()
    assert (refund.ended_at, refund.due_at, refund.lease_until, refund.attention) == (clock(), None, None, "")
    [sent] = posts(stripe)
    assert sent["params"] == {
        "payment_intent": payment.intent_id,
        "amount": "10000",
        "metadata": {"refund_id": str(refund.id), "payment_id": str(payment.id)},
    }
    assert sent["idempotency_key"] == refund.idempotency_key
    audit(stripe)


def test_who_asked_why_and_what_became_of_it_is_in_the_payments_history(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Two lines, each from success to success, with Stripe's ids as evidence."""
    payment = pay(stripe_gateway, clock)
    refund = ask(payment, clock, 1_250)
    carry_out(stripe_gateway, clock)
    refund.refresh_from_db()
    asked, settled = Transition.objects.filter(payment=payment).order_by("id")[3:]
    assert {(step.from_status, step.to_status) for step in (asked, settled)} == {("success", "success")}
    assert (asked.who, asked.why) == ("aida", "refund of 12.50\xa0KZT asked for: by mistake")
    assert asked.evidence == {"refund": str(refund.id), "amount": 1_250, "intent": payment.intent_id}
    assert (settled.who, settled.why) == ("stripe", "refund of 12.50\xa0KZT succeeded: Stripe says succeeded")
    assert settled.evidence["stripe_refund"] == refund.refund_id
    assert settled.evidence["refunded"] == 1_250
    assert settled.evidence["request"].startswith("req_")


def test_several_parts_go_back_until_nothing_is_left(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """What is asked for and not yet carried out counts, too."""
    payment = pay(stripe_gateway, clock)
    ask(payment, clock, 4_000)
    carry_out(stripe_gateway, clock)
    clock.advance(seconds=1)
    ask(payment, clock, 1)
    assert refusal(payment, clock, 6_000) == "more_than_left"
    clock.advance(seconds=1)
    assert ask(payment, clock).amount == 5_999
    assert refusal(payment, clock) == "nothing_left"
    assert carry_out(stripe_gateway, clock) == ["succeeded"] * 3
    audit(stripe)
    # Two that are due together go to Stripe side by side, in no order.
    assert sorted(one.amount for one in stripe.ledger.refunds_of(payment.intent_id or "")) == [1, 4_000, 5_999]


@pytest.mark.parametrize(
    ("currency", "price", "amount", "expected"),
    [
        ("KZT", 100, 0, "amount"),
        ("KZT", 100, -1, "amount"),
        ("KZT", 100, 10_001, "more_than_left"),
        ("UGX", 100, 150, "amount"),
        ("KWD", 100, 5, "amount"),
        ("JPY", 100, 101, "more_than_left"),
    ],
)
def test_an_amount_that_can_not_go_back_is_refused(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, currency: str, price: int, amount: int, expected: str
) -> None:
    """More than there is, nothing, or a fraction that the currency doesn't have: nothing is written or sent."""
    payment = pay(stripe_gateway, clock, currency=currency, price=price)
    assert refusal(payment, clock, amount) == expected
    assert not Refund.objects.exists()


def test_what_is_not_paid_can_not_be_refunded(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Pending or failed: there is nothing to give back."""
    accepted = accept(record(event(method="pm_card_chargeDeclined"), at=clock()), now=clock())
    payment = Payment.objects.get(id=accepted.due[0])
    assert refusal(payment, clock) == "not_paid"
    charging.charge(payment_ids=[payment.id], gateway=stripe_gateway, clock=clock)
    assert refusal(payment, clock) == "not_paid"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("needs_response", "disputed"),
        ("under_review", "disputed"),
        ("appeal_under_review", "disputed"),
        ("lost", "disputed"),
        ("won", None),
        ("warning_needs_response", None),
        ("warning_closed", None),
    ],
)
def test_while_the_bank_has_the_money_nothing_is_refunded(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, status: str, expected: str | None
) -> None:
    """Stripe would refuse it; an inquiry takes nothing, and a refund is its best end."""
    payment = pay(stripe_gateway, clock)
    Dispute.objects.create(
        dispute_id="du_1", payment=payment, amount=10_000, currency="KZT", reason="fraudulent", status=status,
        opened_at=clock(), seen_at=clock(),
    )  # fmt: skip
    if expected:
        assert refusal(payment, clock) == expected
    else:
        ask(payment, clock)


def test_a_refund_that_the_bank_has_not_carried_out_is_looked_at_again(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """After a minute, an hour, then daily; by its id, and nothing is sent again."""
    payment = pay(stripe_gateway, clock, method="pm_card_pendingRefund")
    ask(payment, clock)
    assert carry_out(stripe_gateway, clock) == ["pending"]
    for pause in (timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(days=1)):
        assert only().due_at == clock() + pause
        assert only().attention == ""
        clock.now += pause
        carry_out(stripe_gateway, clock)
    payment.refresh_from_db()
    assert payment.refunded == 0
    assert refusal(payment, clock) == "nothing_left"
    stripe.control.resolve_refund(refund=only().refund_id or "", outcome="succeeded")
    clock.advance(days=1)
    assert carry_out(stripe_gateway, clock) == ["succeeded"]
    assert len(posts(stripe)) == 1
    audit(stripe)


@pytest.mark.parametrize("outcome", ["failed", "canceled"])
def test_what_the_bank_gives_back_can_be_refunded_once_more(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, outcome: str
) -> None:
    """A person is shown it; who asks again has seen it."""
    payment = pay(stripe_gateway, clock, method="pm_card_pendingRefund")
    refund = ask(payment, clock)
    carry_out(stripe_gateway, clock)
    stripe.control.resolve_refund(refund=only().refund_id or "", outcome=outcome)
    clock.advance(minutes=1)
    assert carry_out(stripe_gateway, clock) == [outcome]
    refund.refresh_from_db()
    assert refund.attention != ""
    assert refund.ended_at == clock()
    clock.advance(minutes=1)
    ask(payment, clock)
    refund.refresh_from_db()
    assert refund.attention == ""
    carry_out(stripe_gateway, clock)
    audit(stripe)


def test_what_stripe_refuses_is_rejected_and_shown(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Somebody was quicker in the dashboard: nothing is given back twice, and that other refund is known at once."""
    payment = pay(stripe_gateway, clock)
    refund = ask(payment, clock)
    stripe.control.refund(payment_intent=payment.intent_id or "")
    carry_out(stripe_gateway, clock)
    refund.refresh_from_db()
    assert (refund.state, refund.code, refund.due_at) == ("rejected", "charge_already_refunded", None)
    assert refund.attention == "Stripe refused it: charge_already_refunded"
    assert Refund.objects.get(asked_by="stripe").state == "succeeded"
    audit(stripe)


def test_while_charging_is_paused_nothing_is_sent(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Whoever has paused it: paused means that nothing goes to Stripe. What is asked for waits in its row."""
    payment = pay(stripe_gateway, clock)
    charging.pause(cause="staff", reason="look at it", who="aida", now=clock())
    ask(payment, clock)
    assert carry_out(stripe_gateway, clock) == ["sending"]
    assert posts(stripe) == []
    charging.resume(cause="staff", who="aida", now=clock())
    assert carry_out(stripe_gateway, clock) == ["succeeded"]


def test_only_what_is_due_and_free_is_found_oldest_first(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """A refund in somebody's hands is left to them until their lease ends."""
    payment = pay(stripe_gateway, clock)
    ids = [ask(payment, clock, 10).id for _ in range(4)]
    for number, one in enumerate(ids):
        Refund.objects.filter(id=one).update(due_at=clock() - timedelta(minutes=number))
    Refund.objects.filter(id=ids[1]).update(lease_until=clock() + timedelta(seconds=1))
    Refund.objects.filter(id=ids[2]).update(due_at=clock() + timedelta(seconds=1))
    assert refunds.find_due(now=clock(), limit=10) == [ids[3], ids[0]]
    assert refunds.find_due(now=clock(), limit=1) == [ids[3]]
    assert refunds.carry_out(refund_ids=ids, gateway=stripe_gateway, clock=clock) == 2
    clock.advance(seconds=1)
    assert sorted(refunds.find_due(now=clock(), limit=10)) == sorted(ids[1:3])


def test_the_command_refunds(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dry run first; amounts as people write them; exit code 1 with the reason."""
    payment = pay(stripe_gateway, clock)
    call_command("refund", str(payment.id), "--amount", "12.50", "--reason", "agreed")
    said = capsys.readouterr().out
    assert said.startswith(f"12.50\xa0KZT of {payment.id} (sub_1, 100.00\xa0KZT) would go back.")
    assert states() == []
    call_command("refund", str(payment.id), "--amount", "12.50", "--reason", "agreed", "--yes")
    assert f"12.50\xa0KZT of {payment.id} go back: refund {only().id}." in capsys.readouterr().out
    assert (only().amount, only().asked_by, only().reason) == (1_250, "staff: command line", "agreed")
    call_command("refund", str(payment.id), "--reason", "all the rest")
    assert "87.50" in capsys.readouterr().out


@pytest.mark.parametrize("yes", [(), ("--yes",)])
def test_the_command_says_what_it_can_not_do(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, yes: tuple[str, ...]
) -> None:
    """A dry run refuses what the real one would."""
    payment = str(pay(stripe_gateway, clock).id)
    for amount, why in {
        "100.01": r"only 100.00.KZT is left to refund",
        "1.001": r"--amount has more decimals than KZT allows \(2\)",
        "0": "--amount must be greater than 0",
        "-1": "must be a number like 12.50",
        "1,5": "must be a number like 12.50",
        "NaN": "must be a number like 12.50",
    }.items():
        with pytest.raises(CommandError, match=why):
            call_command("refund", payment, f"--amount={amount}", "--reason", "x", *yes)
    with pytest.raises(CommandError, match="there is no payment"):
        call_command("refund", "00000000-0000-0000-0000-000000000000", "--reason", "x", *yes)
    assert states() == []
