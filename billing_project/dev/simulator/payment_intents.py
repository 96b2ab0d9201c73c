"""PaymentIntents: create, update, confirm, cancel, retrieve, list. The state machine of Stripe's rules.

requires_payment_method <-> requires_confirmation -> requires_action | processing -> succeeded
every state but succeeded, processing and canceled -> canceled
"""

from __future__ import annotations

from typing import Any

from .calls import Call, Page, page_of
from .charging import attempt
from .currencies import check_amount
from .errors import invalid, invalid_parameter, no_such, unexpected_state
from .ledger import Ledger
from .payment_methods import find_customer, take
from .records import PaymentIntent
from .shapes import shape

CONFIRMABLE = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})
CANCELABLE = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action")
PLAIN = ("description", "receipt_email", "setup_future_usage", "statement_descriptor_suffix", "metadata")

NO_RETURN_URL = (
    "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of these "
    "payment methods might redirect your customer off of your page, you must provide a `return_url`. If you don't "
    "want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and "
    "`automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment Intents."
)
NO_METHOD = (
    "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
    "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment "
    "method or ConfirmationToken."
)


def create(ledger: Ledger, call: Call) -> PaymentIntent:
    """Make a PaymentIntent, and confirm it if asked to. Unconfirmed it takes no money."""
    params = call.params
    currency = params["currency"].lower()
    if error := check_amount(amount=params["amount"], currency=currency):
        raise error
    if "off_session" in params and not params.get("confirm"):
        message = "The parameter `off_session` can only be used together with `confirm=true`."
        raise invalid_parameter(message, param="off_session")
    customer = find_customer(ledger, params["customer"]).id if "customer" in params else None
    method = take(ledger, params["payment_method"], customer=customer) if "payment_method" in params else None
    identifier = ledger.new_id("pi")
    intent = PaymentIntent(
        id=identifier,
        created=int(ledger.now()),
        amount=params["amount"],
        currency=currency,
        status="requires_confirmation" if method else "requires_payment_method",
        client_secret=ledger.new_id(f"{identifier}_secret"),
        customer=customer,
        payment_method=method.id if method else None,
        automatic_payment_methods=_automatic_methods(params.get("automatic_payment_methods")),
        capture_method=params.get("capture_method", "automatic_async"),
        **{name: params[name] for name in PLAIN if name in params},
    )
    ledger.save(intent)
    ledger.tell("payment_intent.created", intent)
    if not params.get("confirm"):
        return intent
    # The method was taken above: a test id would make a second card.
    return _confirm(ledger, intent, {name: params[name] for name in params if name != "payment_method"})


def update(ledger: Ledger, call: Call) -> PaymentIntent:
    """Change a PaymentIntent that has not been confirmed; metadata and description at any time."""
    intent = _find(ledger, call.subject)
    params = call.params
    if params.keys() - {"metadata", "description", "expand"} and intent.status not in CONFIRMABLE:
        raise unexpected_state(
            f"This PaymentIntent's {next(iter(params))} could not be updated because it has a status of "
            f"{intent.status}.",
            payment_intent=shape(intent),
        )
    amount, currency = params.get("amount", intent.amount), params.get("currency", intent.currency).lower()
    if error := check_amount(amount=amount, currency=currency):
        raise error
    customer = find_customer(ledger, params["customer"]).id if "customer" in params else intent.customer
    if "payment_method" in params:
        intent.payment_method = take(ledger, params["payment_method"], customer=customer).id
        intent.status = "requires_confirmation"
    intent.amount, intent.currency, intent.customer = amount, currency, customer
    for name in PLAIN:
        if name in params:
            setattr(intent, name, params[name])
    if "metadata" in params:
        # Stripe merges; an empty value unsets a key.
        merged = intent.metadata | params["metadata"]
        intent.metadata = {key: value for key, value in merged.items() if value != ""}
    ledger.save(intent)
    return intent


def confirm(ledger: Ledger, call: Call) -> PaymentIntent:
    """Charge the payment method, given now or before. A decline is a 402 and leaves it to be tried again."""
    return _confirm(ledger, _find(ledger, call.subject), call.params)


def cancel(ledger: Ledger, call: Call) -> PaymentIntent:
    """Make sure that no charge can come any more; refused once one was made or is on its way."""
    intent = _find(ledger, call.subject)
    if intent.status not in CANCELABLE:
        raise unexpected_state(
            f"You cannot cancel this PaymentIntent because it has a status of {intent.status}. Only a PaymentIntent "
            f"with one of the following statuses may be canceled: {', '.join(CANCELABLE)}.",
            payment_intent=shape(intent),
        )
    intent.status = "canceled"
    intent.canceled_at = int(ledger.now())
    intent.cancellation_reason = call.params.get("cancellation_reason")
    intent.next_action = None
    intent.pending = None
    ledger.save(intent)
    ledger.tell("payment_intent.canceled", intent)
    return intent


def retrieve(ledger: Ledger, call: Call) -> PaymentIntent:
    """Return the PaymentIntent as it is now."""
    return _find(ledger, call.subject)


def list_all(ledger: Ledger, call: Call) -> Page:
    """List PaymentIntents, newest first; reads its own writes, as Stripe's list does."""
    customer = call.params.get("customer")
    return page_of(ledger.payment_intents, call, keep=lambda intent: customer is None or intent.customer == customer)


def _confirm(ledger: Ledger, intent: PaymentIntent, params: dict[str, Any]) -> PaymentIntent:
    _check_confirmable(intent, params)
    if intent.status == "requires_action" and "payment_method" not in params:
        return intent
    wanted = params.get("payment_method", intent.payment_method)
    if wanted is None:
        raise unexpected_state(NO_METHOD, payment_intent=shape(intent))
    method = take(ledger, wanted, customer=intent.customer)
    automatic = intent.automatic_payment_methods
    if automatic and automatic["allow_redirects"] == "always" and "return_url" not in params:
        raise invalid(NO_RETURN_URL)
    return attempt(
        ledger,
        intent,
        method,
        off_session=params.get("off_session", "false") != "false",
        error_on_requires_action=params.get("error_on_requires_action", False),
    )


def _check_confirmable(intent: PaymentIntent, params: dict[str, Any]) -> None:
    if intent.status == "succeeded":
        raise unexpected_state(
            "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed.",
            payment_intent=shape(intent),
        )
    if intent.status not in CONFIRMABLE:
        raise unexpected_state(
            f"You cannot confirm this PaymentIntent because it has a status of {intent.status}. Only a PaymentIntent "
            "with one of the following statuses may be confirmed: requires_confirmation, requires_action.",
            payment_intent=shape(intent),
        )
    if params.get("error_on_requires_action") and intent.automatic_payment_methods:
        message = "`error_on_requires_action` cannot be used with automatic payment methods."
        raise invalid(message, param="error_on_requires_action")


def _automatic_methods(sent: dict[str, Any] | None) -> dict[str, Any] | None:
    # On unless turned off, since API version 2023-08-16.
    if sent is None:
        return {"allow_redirects": "always", "enabled": True}
    if not sent["enabled"]:
        return None
    return {"allow_redirects": sent.get("allow_redirects", "always"), "enabled": True}


def _find(ledger: Ledger, identifier: str) -> PaymentIntent:
    intent = ledger.payment_intents.get(identifier)
    if intent is None:
        raise no_such("payment_intent", identifier, param="intent", in_path=True)
    return intent
