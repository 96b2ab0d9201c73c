"""Payment methods and customers: cards that are made, saved to a customer, taken away, and taken for use."""

from __future__ import annotations

from .calls import Call, Page, page_of
from .cards import Behaviour, Card, Decline, find_known, fingerprint_of
from .errors import StripeError, invalid, no_such
from .ledger import Ledger
from .records import Customer, PaymentMethod

USED_UP = (
    "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with "
    "a connected account without Customer attachment, or was detached from a Customer. It may not be used again. "
    "To use a PaymentMethod multiple times, you must attach it to a Customer first."
)


def create(ledger: Ledger, call: Call) -> PaymentMethod:
    """Make a card from a test token (`card[token]=tok_visa`)."""
    token = call.params["card"]["token"]
    known = find_known(token, prefix="tok_")
    if known is None:
        raise no_such("token", token, param="card[token]", in_path=False)
    return _make(ledger, *known, metadata=call.params.get("metadata", {}))


def retrieve(ledger: Ledger, call: Call) -> PaymentMethod:
    """Return a method; a documented test id gives a fresh one, as at Stripe."""
    return _find(ledger, call.subject, in_path=True)


def attach(ledger: Ledger, call: Call) -> PaymentMethod:
    """Save the card to a customer. Stripe tries the card, so most declining ones are declined here."""
    customer = find_customer(ledger, call.params["customer"])
    method = _find(ledger, call.subject, in_path=True)
    if method.customer == customer.id:
        return method
    if method.customer is not None:
        raise invalid("The payment method you provided has already been attached to a customer.")
    if method.used_up:
        raise invalid(USED_UP)
    step = method.steps[0]
    if isinstance(step, Decline) and not method.card.saves:
        raise StripeError(
            402,
            type="card_error",
            code=step.code,
            decline_code=step.decline_code,
            advice_code=step.advice_code,
            network_decline_code=step.network_decline_code,
            message=step.message,
            param=step.param,
        )
    method.customer = customer.id
    ledger.save(method)
    ledger.tell("payment_method.attached", method)
    return method


def detach(ledger: Ledger, call: Call) -> PaymentMethod:
    """Take the card from its customer; it can never be used again."""
    method = _find(ledger, call.subject, in_path=True)
    if method.customer is None:
        raise invalid("The payment method you provided is not attached to a customer so detachment is impossible.")
    method.customer = None
    method.used_up = True
    ledger.save(method)
    ledger.tell("payment_method.detached", method)
    return method


def list_all(ledger: Ledger, call: Call) -> Page:
    """List the cards of a customer, newest first."""
    wanted = call.params.get("customer")
    if wanted is not None:
        find_customer(ledger, wanted)
    return page_of(ledger.payment_methods, call, keep=lambda m: m.customer is not None and m.customer == wanted)


def create_customer(ledger: Ledger, call: Call) -> Customer:
    """Make a customer."""
    customer = Customer(id=ledger.new_id("cus"), created=int(ledger.now()), **call.params)
    ledger.save(customer)
    ledger.tell("customer.created", customer)
    return customer


def retrieve_customer(ledger: Ledger, call: Call) -> Customer:
    """Return a customer."""
    return find_customer(ledger, call.subject, in_path=True)


def find_customer(ledger: Ledger, identifier: str, *, in_path: bool = False) -> Customer:
    """Return the customer that a path or a parameter names."""
    customer = ledger.customers.get(identifier)
    if customer is None:
        raise no_such("customer", identifier, param="id" if in_path else "customer", in_path=in_path)
    return customer


def take(ledger: Ledger, identifier: str, *, customer: str | None) -> PaymentMethod:
    """Return the method for a PaymentIntent of this customer, if Stripe lets the two meet."""
    method = _find(ledger, identifier, in_path=False)
    if method.used_up:
        raise invalid(USED_UP, param="payment_method")
    if method.customer is not None and method.customer != customer:
        raise invalid(
            f"The `payment_method` parameter supplied {method.id} belongs to the Customer {method.customer}. "
            "Please include the Customer in the `customer` parameter on the PaymentIntent.",
            param="payment_method",
        )
    return method


def _find(ledger: Ledger, identifier: str, *, in_path: bool) -> PaymentMethod:
    if known := find_known(identifier, prefix="pm_card_"):
        return _make(ledger, *known, metadata={})
    method = ledger.payment_methods.get(identifier)
    if method is None:
        raise no_such("PaymentMethod", identifier, param="payment_method", in_path=in_path)
    return method


def _make(ledger: Ledger, card: Card, behaviour: Behaviour, *, metadata: dict[str, str]) -> PaymentMethod:
    method = PaymentMethod(
        id=ledger.new_id("pm"),
        created=int(ledger.now()),
        card=card,
        fingerprint=fingerprint_of(card.brand + card.last4),
        steps=[behaviour],
        metadata=metadata,
    )
    ledger.save(method)
    return method
