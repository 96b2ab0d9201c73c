"""Bridge and relay in a random history: rewound, taken over from, and still at it when another one has begun."""

import random
from contextlib import suppress
from typing import TYPE_CHECKING

from bridge import consumer, relay
from bridge.kafka import Fenced, KafkaAway
from bridge.loop import DATABASE_ERRORS, Stop
from tests.proof import rows
from tests.proof.edges import Sink, Source

if TYPE_CHECKING:
    from tests.proof.crowd import Crowd


class Edges:
    """Whoever reads the topic and whoever publishes; `_old`: those that don't know yet that they are no longer it."""

    def __init__(self, world: "Crowd", dice: random.Random) -> None:
        self._world, self._dice = world, dice
        self._old: list[Source | Sink] = []

    def bridge(self) -> None:
        """One batch."""
        with suppress(*DATABASE_ERRORS):
            consumer.run_once(source=self._world.source, stop=Stop())  # type: ignore[arg-type]

    def relay(self) -> None:
        """One batch; whoever was fenced begins anew."""
        if not rows.is_anything_to_tell():
            return
        try:
            relay.run_once(sink=self._world.sink)  # type: ignore[arg-type]
        except (KafkaAway, Fenced, *DATABASE_ERRORS):
            self._world.sink = Sink(self._world)

    def rewind(self) -> None:
        """Staff reset the group's offset: anywhere, or to the beginning."""
        self._world.committed = self._dice.choice((0, self._dice.randint(0, self._world.committed)))
        self._world.source = Source(self._world)
        self._world.note("rewinds", str(self._world.committed))

    def take_over(self) -> None:
        """Another bridge or relay begins, while the old one still believes that it is the one."""
        if self._old and self._dice.random() < 0.6:
            old = self._dice.choice(self._old)
            self._world.note("zombies", type(old).__name__)
            with suppress(KafkaAway, Fenced, *DATABASE_ERRORS):
                if isinstance(old, Source):
                    consumer.run_once(source=old, stop=Stop())  # type: ignore[arg-type]
                else:
                    relay.run_once(sink=old)  # type: ignore[arg-type]
            return
        if self._dice.random() < 0.5:
            self._world.source.unaware = True
            self._old.append(self._world.source)
            self._world.source = Source(self._world)
            return
        self._old.append(self._world.sink)
        self._world.sink = Sink(self._world)
