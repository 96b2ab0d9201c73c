"""Would anybody notice? Each guard is switched off here, and the test that stands for it must turn red.

`tests/proof/test_guards.py` does the same for those that only a crash or a race shows.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError
from django.db.models import Model

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.answers import Answer
from payments.charging.claim import claim
from payments.charging.close import close, reissue
from payments.charging.integrity import find_mismatch
from payments.charging.settle import settle
from payments.charging.settling import Settling
from payments.gateway import Gateway, reading, verify
from payments.models import Attempt, Payment, Refund
from tests.conftest import Clock
from tests.integration import (
    test_answers,
    test_arrows_in_database,
    test_charging_outcomes,
    test_close,
    test_ledger,
    test_settle_races,
    test_unsettled_facts,
)
from tests.integration.test_charging_outcomes import DECLINED, NO, NOTHING, PAID, REFUSAL
from tests.integration.test_close import charge, take_in
from tests.switches import drop_index, red, rewrite, rewrite_sql, without_trigger
from tests.unit import test_webhooks

pytestmark = pytest.mark.django_db


def test_without_the_index_of_open_payments_a_second_one_is_seen() -> None:
    """P1: the proof's first half."""
    drop_index("payment_one_open")
    with red():
        test_ledger.test_a_second_open_payment_of_a_subscription_is_refused()


def test_without_the_lease_two_workers_at_one_payment_are_seen(
    stripe_gateway: Gateway, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It saves work; that money doesn't rest on it is shown in tests/stateful, where leases are lost."""
    rewrite_sql(monkeypatch, claim.__module__, "_DUE", old="lease_until IS NULL OR", new="TRUE OR")
    with red():
        test_charging_outcomes.test_a_claim_holds_until_its_lease_ends(stripe_gateway, clock)


def test_without_closing_first_a_re_issue_is_seen(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P1: the code refuses; without it the index of open payments does; without both the customer pays twice."""
    take_in(clock)
    first = charge(stripe_gateway, clock)
    rewrite(monkeypatch, reissue, old="if latest.closed_at is None:", new="if False:")
    with pytest.raises(Exception, match="payment_one_open"):
        charging.reissue(payment_id=first.id, who="aida", reason="", now=clock())


def test_with_neither_closing_nor_the_index_the_customer_pays_twice(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What these two are for."""
    take_in(clock)
    first = charge(stripe_gateway, clock)
    rewrite(monkeypatch, reissue, old="if latest.closed_at is None:", new="if False:")
    drop_index("payment_one_open")
    charging.reissue(payment_id=first.id, who="aida", reason="", now=clock())
    charge(stripe_gateway, clock)
    assert len(stripe.ledger.successes("sub_1")) == 2


def test_closing_without_having_seen_it_cancelled_is_seen(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P1, P3: a `canceled` that nobody looked for may be a success."""
    rewrite(
        monkeypatch,
        close,
        old="seen = _ask(endpoint=Endpoint.RETRIEVE, call=lambda: gateway.retrieve(intent=intent), now=now)",
        new="""seen = _ask(endpoint=Endpoint.RETRIEVE, call=lambda: gateway.retrieve(intent=intent), now=now)
    from dataclasses import replace
    seen = replace(seen, intent=replace(seen.intent, status="canceled"))""",
    )
    with red():
        test_close.test_a_payment_that_turns_out_paid_while_it_is_closed_is_settled_as_paid(
            stripe, stripe_gateway, clock
        )


def test_believing_an_unsigned_webhook_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody could make us ask Stripe, and fill the table."""
    rewrite(monkeypatch, verify, old="if not any(", new="if False and not any(")
    with red():
        test_webhooks.test_a_refusal_says_why({"secrets": ("whsec_b",)}, "signature")


def test_without_the_trigger_too_large_refunds_are_seen() -> None:
    """More would be given back than was taken."""
    with without_trigger("payments_refund_within_charge", on=Refund), red():
        test_ledger.test_refunds_never_exceed_the_charge()


@pytest.mark.parametrize(
    ("trigger", "on", "sees"),
    [
        ("payment_arrow", Payment, test_arrows_in_database.test_payments_move_along_the_arrows_and_no_others),
        ("payment_closed_for_good", Payment, test_arrows_in_database.test_no_arrow_leaves_a_closed_payment),
        ("attempt_arrow", Attempt, test_arrows_in_database.test_attempts_move_along_the_arrows_and_no_others),
        ("attempt_begins", Attempt, test_arrows_in_database.test_an_attempt_begins_before_stripe_or_is_refused),
        ("refund_arrow", Refund, test_arrows_in_database.test_refunds_move_along_the_arrows_and_no_others),
    ],
)
def test_without_the_triggers_steps_off_the_arrows_are_seen(
    trigger: str, on: type[Model], sees: Callable[[], None]
) -> None:
    """Of all triggers those that hold the arrows; each of the others was dropped once, and some test turned red."""
    with without_trigger(trigger, on=on), red():
        sees()


# What settling itself looks at

LATE = [
    pytest.param(Settling._declined, "if self.attempt.state not in Attempt.OPEN:", NO, id="declined"),
    pytest.param(Settling._rejected, "if self.attempt.state not in Attempt.OPEN:", REFUSAL, id="rejected"),
]
LATE_UNKNOWN = pytest.param(Settling._unknown, "if attempt.state not in Attempt.OPEN:", NOTHING, id="unknown")


@pytest.mark.parametrize(("judge", "guard", "answer"), LATE)
def test_believing_a_late_no_to_a_declined_attempt_is_seen(
    stripe_gateway: Gateway, clock: Clock, monkeypatch: pytest.MonkeyPatch, judge: Any, guard: str, answer: Answer
) -> None:
    """P4: nobody else keeps the same decline from being told once more."""
    rewrite(monkeypatch, judge, old=guard, new="if False:")
    with red():
        test_charging_outcomes.test_a_late_answer_to_a_settled_attempt_changes_nothing(
            stripe_gateway, clock, DECLINED, answer
        )


@pytest.mark.parametrize(("judge", "guard", "answer"), [*LATE, LATE_UNKNOWN])
def test_believing_a_late_answer_to_a_success_is_refused_by_the_database(
    stripe_gateway: Gateway, clock: Clock, monkeypatch: pytest.MonkeyPatch, judge: Any, guard: str, answer: Answer
) -> None:
    """P3: the code looks first; without it the arrows in the database hold."""
    rewrite(monkeypatch, judge, old=guard, new="if False:")
    with pytest.raises(IntegrityError, match=r"no arrow leads from (success to failed|succeeded to unknown)"):
        test_charging_outcomes.test_a_late_answer_to_a_settled_attempt_changes_nothing(
            stripe_gateway, clock, PAID, answer
        )


@pytest.mark.parametrize(("judge", "guard", "answer"), LATE)
def test_with_neither_the_code_nor_the_arrow_a_late_no_takes_a_success_back(
    stripe_gateway: Gateway, clock: Clock, monkeypatch: pytest.MonkeyPatch, judge: Any, guard: str, answer: Answer
) -> None:
    """What these two are for."""
    rewrite(monkeypatch, judge, old=guard, new="if False:")
    with without_trigger("payment_arrow", on=Payment), red():
        test_charging_outcomes.test_a_late_answer_to_a_settled_attempt_changes_nothing(
            stripe_gateway, clock, PAID, answer
        )


@pytest.mark.django_db(transaction=True)
def test_settling_without_the_attempts_lock_is_seen(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: it would not know of a confirm that has left meanwhile."""
    rewrite_sql(monkeypatch, settle.__module__, "_ATTEMPTS", old="FOR UPDATE", new="")
    with red():
        test_settle_races.test_settling_never_undoes_what_a_worker_writes_before_it_confirms(clock, "sent_at")


@pytest.mark.django_db(transaction=True)
def test_settling_without_the_payments_lock_is_seen(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """P5: it would not see the method that an event has brought meanwhile."""
    rewrite_sql(monkeypatch, settle.__module__, "_PAYMENTS", old="FOR UPDATE OF payment", new="")
    with red():
        test_settle_races.test_a_method_that_comes_in_while_a_decline_is_settled_is_tried(clock)


@pytest.mark.parametrize(("lie", "what"), test_answers.LIES)
def test_believing_an_answer_about_another_payment_is_seen(
    stripe: Simulator,
    stripe_gateway: Gateway,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    lie: dict[str, Any],
    what: str,
) -> None:
    """P3: its amount, currency and payment are looked at, each."""
    rewrite(monkeypatch, find_mismatch, old='return ", ".join(', new='return "" and ", ".join(')
    with red():
        test_answers.test_an_answer_about_something_else_is_never_settled(stripe, stripe_gateway, clock, lie, what)


@pytest.mark.parametrize(
    "believed",
    ["self._succeeded(intent)", "self._failed(Attempt.State.DECLINED, declines.UNKNOWN_REJECTION, status)"],
    ids=["success", "failed"],
)
def test_taking_a_status_that_nobody_knows_for_an_outcome_is_seen(
    monkeypatch: pytest.MonkeyPatch, believed: str
) -> None:
    """P3: whichever."""
    rewrite(monkeypatch, Settling._seen, old="self._unknown(status)", new=believed)
    with red():
        test_unsettled_facts.test_a_status_that_nobody_knows_is_no_outcome("brand_new", "sending")


def test_believing_a_402_without_a_code_is_seen(
    stripe: Simulator, stripe_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P3: it would be a decline for no reason."""
    rewrite(monkeypatch, reading._declined, old="details is None or not error.code", new="details is None")
    with red():
        test_answers.test_a_402_without_a_code_that_can_be_read_is_no_decline(
            stripe, stripe_gateway, {"kind": "status", "status": 402, "effect": "none"}
        )


def test_taking_a_duplicate_transaction_for_a_decline_is_seen(
    stripe: Simulator, stripe_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P3: of a customer who has paid perhaps."""
    rewrite(monkeypatch, reading.read_refusal, old='== "duplicate_transaction"', new='== ""')
    with red():
        test_answers.test_a_bank_that_has_seen_this_charge_before_has_not_declined_it(stripe, stripe_gateway)
