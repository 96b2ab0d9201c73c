"""What others do in the life of one payment: the producer's events, staff's deeds, and Stripe's webhooks."""

import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, assert_never

from billing_project.dev.simulator import Simulator
from billing_project.dev.simulator.shapes import shape
from bridge.loop import DATABASE_ERRORS
from payments import charging, webhooks
from payments.gateway import Event, Gateway
from payments.models import Payment
from tests.proof import rows
from tests.proof.behaviours import Deed, Wanted
from tests.proof.edges import delivered

if TYPE_CHECKING:
    from tests.proof.world import World

WHO = "staff"


class Others:
    """The producer and staff of one history: what each has still to do, and when it is time for that."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._to_come, self._deeds = list(world.behaviour.events), list(world.behaviour.deeds)

    def are_waited_for(self) -> bool:
        """Whether one of them would act now, if only some time passed."""
        wanted = self._to_come[0] if self._to_come else Wanted(changes={}, when="settled")
        return bool(self._to_come or self._deeds) and self._is_time_for(wanted)

    def produce(self) -> bool:
        """The producer, whom no fault of ours concerns, sends what it is time for. Returns whether it was anything."""
        world, sent = self._world, False
        while self._to_come and self._is_time_for(self._to_come[0]):
            wanted = self._to_come.pop(0)
            world.clock.advance(seconds=1)
            world.topic.append(delivered(wanted, offset=len(world.topic), at=world.clock()))
            world.trouble_at = max(world.trouble_at, world.clock())
            sent = True
        return sent

    def do_a_deed(self) -> bool:
        """Staff do what they have to, once all is settled; who was interrupted looks, and tries again."""
        if not self._deeds or not self.are_waited_for():
            return False
        with suppress(*DATABASE_ERRORS):
            deed = self._deeds[0]
            # Others may have done it while we stood still.
            if do_deed(deed, gateway=self._world.gateway, now=self._world.clock()) and deed in self._deeds:
                self._deeds.remove(deed)
        return True

    def _is_time_for(self, wanted: Wanted) -> bool:
        if wanted.when == "start":
            return True
        statuses = rows.find_statuses()
        return bool(statuses) and (wanted.when == "accepted" or "pending" not in statuses)


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
