"""What others do in the life of one payment: staff's deeds, and Stripe's webhooks."""

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import assert_never

from billing_project.dev.simulator import Simulator
from billing_project.dev.simulator.shapes import shape
from payments import charging, webhooks
from payments.gateway import Event, Gateway
from payments.models import Payment
from tests.proof.behaviours import Deed

WHO = "staff"


def do_deed(deed: Deed, *, gateway: Gateway, now: datetime) -> bool:
    """Returns whether it is done, now or since a time that was interrupted: who isn't sure looks first."""
    payment = Payment.objects.latest("number")
    match deed.what:
        case "close":
            return payment.closed_at is not None or not charging.close(
                payment_id=payment.id, who=WHO, reason="off", gateway=gateway, now=now
            )
        case "reissue":
            return payment.closed_at is None or isinstance(
                charging.reissue(payment_id=payment.id, who=WHO, reason="anew", now=now), Payment
            )
        case "replay":
            return payment.asked_by == WHO or not charging.replay(
                payment_id=payment.id, who=WHO, reason="again", now=now
            )
        case _:
            assert_never(deed.what)


def deliver_webhooks(*, stripe: Simulator, heard: set[str], now: datetime) -> Iterator[uuid.UUID]:
    """Stripe's webhooks about what has happened so far come in, each once. Yields payments to ring for."""
    with stripe.ledger.lock:
        told = [shape(event) for event in stripe.ledger.events if event.id not in heard]
    for event in told:
        heard.add(event["id"])
        look = webhooks.receive(event=Event(id=event["id"], type=event["type"], content=event), now=now)
        if look:
            yield look
