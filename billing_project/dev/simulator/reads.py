"""What is only read: charges, events, and the account of the key."""

from __future__ import annotations

from .calls import Call, Page, page_of
from .errors import no_such
from .ledger import Ledger
from .records import Account, Charge, Event


def retrieve_charge(ledger: Ledger, call: Call) -> Charge:
    """Return a charge, succeeded or failed."""
    charge = ledger.charges.get(call.subject)
    if charge is None:
        raise no_such("charge", call.subject, param="id", in_path=True)
    return charge


def list_charges(ledger: Ledger, call: Call) -> Page:
    """List charges, failed ones too, newest first, of one PaymentIntent or customer or of all."""
    intent, customer = call.params.get("payment_intent"), call.params.get("customer")
    return page_of(
        ledger.charges,
        call,
        keep=lambda charge: intent in {None, charge.payment_intent} and customer in {None, charge.customer},
    )


def retrieve_event(ledger: Ledger, call: Call) -> Event:
    """Return an event."""
    event = ledger.events.get(call.subject)
    if event is None:
        raise no_such("event", call.subject, param="id", in_path=True)
    return event


def list_events(ledger: Ledger, call: Call) -> Page:
    """List events, newest first, of some types or of all."""
    types = set(call.params.get("types", []))
    if "type" in call.params:
        types.add(call.params["type"])
    return page_of(ledger.events, call, keep=lambda event: not types or event.type in types)


def retrieve_account(_ledger: Ledger, call: Call) -> Account:
    """Return the account that the API key belongs to."""
    return Account(call.account)
