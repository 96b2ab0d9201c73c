"""The list of payments as support uses it: what is in it, what it shows, what it says."""

from typing import Any

from django.test import Client

from payments.models import Payment
from tests.integration.ledger_rows import payment

LIST = "/admin/payments/payment/"


def make(subscription: str, **fields: Any) -> Payment:
    """A payment of a subscription of its own."""
    return payment(subscription_id=subscription, **fields)


def found(client: Client, **query: Any) -> set[str]:
    """The subscriptions that a list shows."""
    answer = client.get(LIST, query)
    assert answer.status_code == 200, answer
    return {one.subscription_id for one in answer.context["cl"].result_list}


def said(client: Client, **query: Any) -> str:
    """What the page tells the person who searched."""
    return " ".join(str(one) for one in client.get(LIST, query).context["messages"])
