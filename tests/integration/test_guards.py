"""Would anybody notice? Each guard is switched off here, and the test that stands for it must turn red.

`tests/proof/test_guards.py` does the same for those that only a crash or a race shows.
"""

from collections.abc import Callable

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.charging.claim import claim
from payments.charging.close import close, reissue
from payments.gateway import Gateway, verify
from payments.models import Payment, Refund
from tests.conftest import Clock
from tests.integration import test_arrows_in_database, test_charging_outcomes, test_close, test_ledger
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
    ("trigger", "sees"),
    [
        ("payment_arrow", test_arrows_in_database.test_payments_move_along_the_arrows_and_no_others),
        ("payment_closed_for_good", test_arrows_in_database.test_no_arrow_leaves_a_closed_payment),
    ],
)
def test_without_the_triggers_steps_off_the_arrows_are_seen(trigger: str, sees: Callable[[], None]) -> None:
    """Of all that hold the arrows these two; each was dropped once, and some test turned red."""
    with without_trigger(trigger, on=Payment), red():
        sees()
