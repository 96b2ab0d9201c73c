"""What comes in from outside in a random history: the producers' records, and Stripe's webhooks."""

import random
from contextlib import suppress
from typing import TYPE_CHECKING

from django.conf import settings

from billing_project.dev.simulator.records import Event as Told
from billing_project.dev.simulator.shapes import shape
from bridge.kafka import Delivered
from bridge.loop import DATABASE_ERRORS
from payments import webhooks
from payments.gateway import Event
from tests.proof import rows
from tests.proof.cast import Message
from tests.proof.money_back import EVENTS

if TYPE_CHECKING:
    from tests.proof.crowd import Crowd


# What no look may miss for long: the others only say what a look finds anyway.
FINAL = ("payment_intent.succeeded", "payment_intent.canceled", *EVENTS)


class Producers:
    """Each subscription's records in their order, those of different subscriptions mixed."""

    def __init__(self, world: "Crowd", dice: random.Random) -> None:
        self._world, self._dice = world, dice
        self._to_come = [list(part.messages) for part in world.cast.parts]

    def send(self) -> None:
        """One record, sometimes two with the same time."""
        for _ in range(self._dice.choice((1, 1, 2))):
            waiting = [messages for messages in self._to_come if messages]
            if waiting:
                self._append(self._dice.choice(waiting).pop(0))

    def send_all(self) -> None:
        """Whatever hasn't been sent."""
        for messages in self._to_come:
            while messages:
                self._append(messages.pop(0))
                self._world.clock.advance(milliseconds=2)

    def _append(self, message: Message) -> None:
        world = self._world
        world.note("records: " + message.kind)
        at = int((world.clock() - message.age).timestamp() * 1000)
        headers = (("ce_id", message.event_id),) if message.event_id else ()
        world.topic.append(
            Delivered(settings.KAFKA_TOPIC_PAYMENTS, 0, len(world.topic), at, None, message.value, headers)
        )


class Mail:
    """Stripe's events: late, twice and in any order, but in the end each at least once. No payment waits for them."""

    def __init__(self, world: "Crowd", dice: random.Random) -> None:
        self._world, self._dice = world, dice
        self._delivered: set[str] = set()

    def deliver(self) -> None:
        """One that is new, from anywhere in the order, or one that has come before."""
        again = self._dice.random() < 0.2
        chosen = [event for event in self._events() if (event.id in self._delivered) == again]
        if chosen:
            self._world.note("webhooks twice" if again else "webhooks")
            # One that wasn't answered with 200 is sent again.
            with suppress(*DATABASE_ERRORS):
                self._receive(self._dice.choice(chosen))

    def deliver_all(self) -> bool:
        """Those that matter and haven't come yet, and one or two of the others. Returns whether there were any."""
        if "webhooks" not in self._world.on:
            return False
        waiting = [event for event in self._events() if event.id not in self._delivered]
        self._dice.shuffle(waiting)
        chosen = [event for place, event in enumerate(waiting) if place < 2 or event.type.startswith(FINAL)]
        self._delivered |= {event.id for event in waiting}
        for event in chosen:
            self._receive(event)
        return bool(waiting)

    def catch_up(self) -> None:
        """What had to wait for a worker."""
        if not rows.is_any_webhook_open():
            return
        with suppress(*DATABASE_ERRORS):
            self._world.ring(webhooks.catch_up(now=self._world.clock()))

    def _receive(self, told: Told) -> None:
        event = shape(told)
        look = webhooks.receive(event=Event(id=event["id"], type=event["type"], content=event), now=self._world.clock())
        # Not before it was stored: Stripe sends it again until somebody answers.
        self._delivered.add(event["id"])
        self._world.ring([look] if look else [])

    def _events(self) -> list[Told]:
        ledger = self._world.stripe.ledger
        with ledger.lock:
            return list(ledger.events)
