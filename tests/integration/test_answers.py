"""Every answer of Stripe, through the real SDK: which outcome it is, and what becomes of the payment."""

from typing import Any

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.answers import Declined, Misconfigured, Owner, Rejected, Seen, Unknown
from payments.gateway import CreateIntent, Gateway
from payments.models import OutboxMessage, Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record

WISH = CreateIntent(payment="p", subscription="s", amount=1000, currency="KZT", customer="")


def confirm(gateway: Gateway, method: str) -> Any:
    """Create and confirm with this method; the answer to the confirm."""
    made = gateway.create(wish=WISH, key=f"create-{method}")
    assert isinstance(made, Seen), made
    request = {"payment_method": method, "off_session": True}
    return gateway.confirm(intent=made.intent.id, request=request, key=f"confirm-{made.intent.id}")


def test_200_tells_what_the_intent_is_now(stripe_gateway: Gateway) -> None:
    """The snapshot holds what the integrity check needs, currency in upper case."""
    seen = confirm(stripe_gateway, "pm_card_visa")
    assert isinstance(seen, Seen)
    assert (seen.intent.status, seen.intent.amount, seen.intent.currency) == ("succeeded", 1000, "KZT")
    assert (seen.intent.payment, seen.intent.livemode) == ("p", False)
    assert seen.intent.charge.startswith("ch_")
    assert seen.request.startswith("req_")


@pytest.mark.parametrize(
    ("method", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_authenticationRequired", "authentication_required", "authentication_required"),
    ],
)
def test_402_is_a_decline_with_its_codes(stripe_gateway: Gateway, method: str, code: str, decline_code: str) -> None:
    """A definite no names why; the integrity check gets the intent that it is about."""
    declined = confirm(stripe_gateway, method)
    assert isinstance(declined, Declined)
    assert (declined.code, declined.decline_code or "") == (code, decline_code)
    assert declined.intent is not None
    assert declined.intent.status == "requires_payment_method"


def test_400_is_rejected_with_its_code(stripe_gateway: Gateway) -> None:
    """Our data is wrong; nothing was taken."""
    rejected = confirm(stripe_gateway, "pm_nobody_has_this")
    assert isinstance(rejected, Rejected)
    assert (rejected.code, rejected.param, rejected.missing) == ("resource_missing", "payment_method", False)


def test_404_is_rejected_as_missing(stripe_gateway: Gateway) -> None:
    """An intent that isn't there is told apart, as on a bound one it means another account's key."""
    rejected = stripe_gateway.retrieve(intent="pi_nobody_has_this")
    assert isinstance(rejected, Rejected)
    assert rejected.missing


def test_an_unexpected_state_is_told_apart(stripe_gateway: Gateway) -> None:
    """Confirming what has succeeded must lead to a look, not to a verdict."""
    seen = confirm(stripe_gateway, "pm_card_visa")
    again = stripe_gateway.confirm(
        intent=seen.intent.id, request={"payment_method": "pm_card_visa", "off_session": True}, key="another"
    )
    assert isinstance(again, Rejected)
    assert again.unexpected_state


@pytest.mark.parametrize(("state", "status"), [("revoked", 401), ("restricted", 403)])
def test_401_and_403_are_our_configuration(
    stripe: Simulator, stripe_gateway: Gateway, settings: Any, state: Any, status: int
) -> None:
    """Our key's trouble is nobody's decline."""
    stripe.control.set_api_key(key=settings.STRIPE_SECRET_KEY, state=state)
    answer = stripe_gateway.create(wish=WISH, key="k")
    assert isinstance(answer, Misconfigured)
    assert answer.http_status == status


@pytest.mark.parametrize(
    ("fault", "spent"),
    [
        ({"kind": "status", "status": 500}, True),
        ({"kind": "status", "status": 503}, True),
        ({"kind": "status", "status": 429, "effect": "none"}, False),
        ({"kind": "status", "status": 409, "effect": "none"}, False),
        ({"kind": "status", "status": 402}, False),
        ({"kind": "reset", "effect": "before"}, False),
        ({"kind": "reset", "effect": "after"}, False),
        ({"kind": "cut"}, False),
        ({"kind": "garble"}, False),
    ],
    ids=lambda value: (
        value["kind"] + str(value.get("status", value.get("effect", ""))) if isinstance(value, dict) else ""
    ),
)
def test_whatever_proves_nothing_is_unknown(
    stripe: Simulator, stripe_gateway: Gateway, fault: dict[str, Any], spent: bool
) -> None:
    """P3: 5xx, 409, 429, a 402 without a code, resets and bodies that can't be read are neither success nor failure."""
    stripe.control.add_fault(endpoint="payment_intents.confirm", **fault)
    answer = confirm(stripe_gateway, "pm_card_visa")
    assert isinstance(answer, Unknown), answer
    assert answer.key_is_spent is spent


@pytest.mark.parametrize(
    "fault", [{"kind": "status", "status": 402, "effect": "none"}, {"kind": "garble"}], ids=["without", "garbled"]
)
def test_a_402_without_a_code_that_can_be_read_is_no_decline(
    stripe: Simulator, stripe_gateway: Gateway, fault: dict[str, Any]
) -> None:
    """P3: whoever hasn't said why has declined nothing that we could believe."""
    stripe.control.add_fault(endpoint="payment_intents.confirm", **fault)
    assert isinstance(confirm(stripe_gateway, "pm_card_chargeDeclined"), Unknown)


def test_a_bank_that_has_seen_this_charge_before_has_not_declined_it(
    stripe: Simulator, stripe_gateway: Gateway
) -> None:
    """P3: `duplicate_transaction` on the confirm itself speaks of an earlier charge, which perhaps went through."""
    stripe.control.add_payment_method(id="pm_twice", decline_code="duplicate_transaction")
    answer = confirm(stripe_gateway, "pm_twice")
    assert answer == Unknown(why="duplicate_transaction", http_status=402, request=answer.request)


def test_a_clash_of_keys_is_unknown_and_asks_for_another_key(stripe_gateway: Gateway) -> None:
    """The key holds another request: it says nothing about this one."""
    first = stripe_gateway.create(wish=WISH, key="same")
    other = CreateIntent(payment="p", subscription="s", amount=2000, currency="KZT", customer="")
    clash = stripe_gateway.create(wish=other, key="same")
    assert isinstance(first, Seen)
    assert clash == Unknown(why=clash.why, http_status=400, key_is_spent=True, request=clash.request)  # type: ignore[union-attr]


def test_the_owner_of_a_payment_method_is_learned(stripe: Simulator, stripe_gateway: Gateway) -> None:
    """A method of a customer is charged for that customer only."""
    stripe.control.add_payment_method(id="pm_owned", customer="cus_1")
    assert stripe_gateway.owner_of(payment_method="pm_owned") == Owner(customer="cus_1")
    assert stripe_gateway.owner_of(payment_method="pm_1") == Owner(customer="")


def test_the_sdk_makes_one_try_and_no_more(stripe: Simulator, stripe_gateway: Gateway) -> None:
    """When and what to send again is our decision, not the SDK's."""
    stripe.control.add_fault(kind="status", status=500, endpoint="payment_intents.create", count=5, effect="none")
    stripe_gateway.create(wish=WISH, key="k")
    assert len(stripe.control.requests(endpoint="payment_intents.create")) == 1


LIES: list[tuple[dict[str, Any], str]] = [
    ({"amount": 9_999}, "amount is 9999, not 10000"),
    ({"currency": "usd"}, "currency is USD, not KZT"),
    ({"metadata": {"payment_id": "another"}}, "payment is another"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("lie", "what"), LIES)
def test_an_answer_about_something_else_is_never_settled(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, lie: dict[str, Any], what: str
) -> None:
    """An intent whose amount, currency or payment isn't ours settles nothing and is shown to a person."""
    accept(record(event(), at=clock()), now=clock())
    payment = Payment.objects.get()
    made = stripe_gateway.create(
        wish=CreateIntent(payment=str(payment.id), subscription="sub_1", amount=10_000, currency="KZT", customer=""),
        key="k",
    )
    assert isinstance(made, Seen)
    Payment.objects.update(intent_id=made.intent.id, customer="")
    intent = stripe.ledger.payment_intents.get(made.intent.id)
    assert intent is not None
    for name, value in lie.items():
        setattr(intent, name, value)
    charging.charge(payment_ids=[payment.id], gateway=stripe_gateway, clock=clock)
    payment.refresh_from_db()
    assert (payment.status, payment.settled_at) == ("pending", None)
    assert what in payment.attention
    assert not OutboxMessage.objects.exists()
