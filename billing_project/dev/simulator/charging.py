"""What a card does when it is charged: the arrows of a PaymentIntent that move money, or refuse to.

A PaymentIntent makes at most one successful charge and none once it is canceled: `_succeed` is the only
place that makes one, and it checks.
"""

from __future__ import annotations

from typing import Any, assert_never

from .balance import take_in
from .cards import (
    AUTHENTICATION_NOT_HANDLED,
    AUTHENTICATION_REQUIRED,
    Authentication,
    Decline,
    Processing,
    Returns,
    Success,
)
from .disputes import begin as begin_dispute
from .errors import DOC_URL, StripeError
from .ledger import Ledger
from .records import Charge, PaymentIntent, PaymentMethod
from .shapes import shape

# The states in which something waits for the customer or the bank.
WAITING = frozenset({"requires_action", "processing"})


def attempt(
    ledger: Ledger,
    intent: PaymentIntent,
    method: PaymentMethod,
    *,
    off_session: bool,
    error_on_requires_action: bool,
) -> PaymentIntent:
    """Charge the method once and return the PaymentIntent as it is then; raises the 402 of a decline."""
    intent.payment_method = method.id
    intent.next_action = None
    step = ledger.next_step(method)
    match step:
        case Success():
            return _succeed(ledger, intent, method, step)
        case Decline():
            raise _decline(ledger, intent, method, step)
        case Authentication():
            if off_session and step.set_up:
                return finish(ledger, intent, method, step.then)
            if off_session:
                raise _decline(ledger, intent, method, AUTHENTICATION_REQUIRED)
            if error_on_requires_action:
                raise _decline(ledger, intent, method, AUTHENTICATION_NOT_HANDLED, with_charge=False)
            return _ask_customer(ledger, intent, step)
        case Processing():
            intent.pending = step.then
            return _move(ledger, intent, "processing", "payment_intent.processing")
        case _:
            assert_never(step)


def finish(ledger: Ledger, intent: PaymentIntent, method: PaymentMethod, ending: Success | Decline) -> PaymentIntent:
    """Bring an attempt to its end, with success or by raising the 402 of a decline."""
    intent.pending = None
    intent.next_action = None
    match ending:
        case Success():
            return _succeed(ledger, intent, method, ending)
        case Decline():
            raise _decline(ledger, intent, method, ending)
        case _:
            assert_never(ending)


def _succeed(ledger: Ledger, intent: PaymentIntent, method: PaymentMethod, success: Success) -> PaymentIntent:
    if intent.amount_received or intent.status in {"succeeded", "canceled"}:
        raise RuntimeError(f"{intent.id} must not be charged again")
    outcome = _outcome("authorized", "approved_by_network", "Payment complete.")
    outcome["risk_level"] = success.risk_level
    charge = _charge(ledger, intent, method, "succeeded", outcome, returns=success.returns)
    take_in(ledger, charge)
    intent.amount_received = intent.amount
    intent.last_payment_error = None
    if intent.setup_future_usage and intent.customer and method.customer is None:
        method.customer = intent.customer
        method.used_up = False
        ledger.save(method)
    ledger.tell("charge.succeeded", charge)
    _move(ledger, intent, "succeeded", "payment_intent.succeeded")
    if success.disputed_as is not None:
        begin_dispute(ledger, charge, reason=success.disputed_as, inquiry=success.inquiry)
    return intent


def _decline(
    ledger: Ledger,
    intent: PaymentIntent,
    method: PaymentMethod,
    decline: Decline,
    *,
    with_charge: bool = True,
) -> StripeError:
    charge: Charge | None = None
    if with_charge:
        charge = _charge(ledger, intent, method, "failed", _outcome_of(decline))
        charge.failure_code = decline.code
        charge.failure_message = decline.message
        ledger.save(charge)
        ledger.tell("charge.failed", charge)
    error: dict[str, Any] = {
        "type": "card_error",
        "advice_code": decline.advice_code,
        "charge": charge.id if charge else None,
        "code": decline.code,
        "decline_code": decline.decline_code,
        "doc_url": DOC_URL + decline.code.replace("_", "-"),
        "message": decline.message,
        "network_advice_code": decline.network_advice_code,
        "network_decline_code": decline.network_decline_code,
        "param": decline.param,
        "payment_method": shape(method),
    }
    intent.last_payment_error = error
    intent.payment_method = None
    _move(ledger, intent, "requires_payment_method", "payment_intent.payment_failed")
    return StripeError(402, **error, payment_intent=shape(intent))


def _ask_customer(ledger: Ledger, intent: PaymentIntent, step: Authentication) -> PaymentIntent:
    intent.pending = step.then
    intent.next_action = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
    return _move(ledger, intent, "requires_action", "payment_intent.requires_action")


def _move(ledger: Ledger, intent: PaymentIntent, status: str, event: str) -> PaymentIntent:
    intent.status = status
    ledger.save(intent)
    ledger.tell(event, intent)
    return intent


def _charge(
    ledger: Ledger,
    intent: PaymentIntent,
    method: PaymentMethod,
    status: str,
    outcome: dict[str, Any],
    *,
    returns: Returns = "succeeded",
) -> Charge:
    charge = Charge(
        id=ledger.new_id("ch"),
        created=int(ledger.now()),
        payment_intent=intent.id,
        payment_method=method.id,
        fingerprint=method.fingerprint,
        card=method.card,
        amount=intent.amount,
        currency=intent.currency,
        status=status,
        outcome=outcome,
        customer=intent.customer,
        description=intent.description,
        metadata=intent.metadata,
        statement_descriptor_suffix=intent.statement_descriptor_suffix,
        returns=returns,
    )
    ledger.save(charge)
    intent.latest_charge = charge.id
    intent.charges = [*intent.charges, charge.id]
    return charge


def _outcome(kind: str, network_status: str, message: str) -> dict[str, Any]:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": network_status,
        "reason": None,
        "risk_level": "normal",
        "seller_message": message,
        "type": kind,
    }


def _outcome_of(decline: Decline) -> dict[str, Any]:
    if decline.blocked:
        outcome = _outcome("blocked", "not_sent_to_network", "Stripe blocked this payment as too risky.")
        return outcome | {"reason": "highest_risk_level", "risk_level": "highest"}
    message = "The bank did not return any further details with this decline."
    return _outcome("issuer_declined", "declined_by_network", message) | {
        "advice_code": decline.advice_code,
        "network_advice_code": decline.network_advice_code,
        "network_decline_code": decline.network_decline_code,
        "reason": decline.decline_code,
    }
