"""The two edges in memory: topics as lists, and who may still commit and publish, as Kafka sees to it."""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings

from bridge.kafka import Delivered, Fenced, KafkaAway, Outgoing
from tests.integration.events import event
from tests.proof.behaviours import Wanted

if TYPE_CHECKING:
    from tests.proof.world import World

SUBSCRIPTION = "sub_1"


class Source:
    """The topic as a member of the group sees it. A member of an older generation can't commit any more."""

    cluster = "test"
    topic_id = ""

    def __init__(self, world: "World") -> None:
        self._world = world
        world.generation += 1
        self.generation = world.generation
        self._position = world.committed
        self.unaware = False
        """Whether it hasn't heard yet that another member has come."""

    def take(self, *, limit: int, seconds: float) -> list[Delivered]:
        """What hasn't been taken yet."""
        found = self._world.topic[self._position :][:limit]
        self._position += len(found)
        return found

    def still_owned(self, records: Iterable[Delivered]) -> list[Delivered]:
        """All, unless another member has come."""
        return list(records) if self.unaware or self.generation == self._world.generation else []

    def commit(self, records: Sequence[Delivered], *, meanwhile: Callable[[], None]) -> None:
        """A commit that fails only means that they are delivered again."""
        owned = self.still_owned(records)
        if owned:
            with suppress(KafkaAway):
                upto = owned[-1].offset + 1
                self._world.gate.run("offset", str(upto), lambda: self._commit(upto), lost=KafkaAway("lost"))
        meanwhile()

    def resume(self) -> None:
        """Nothing was paused."""

    def wait_paused(self, *, seconds: float) -> None:
        """Waits for nothing: no time passes while the database is away."""

    def _commit(self, upto: int) -> None:
        if self.generation == self._world.generation:
            self._world.committed = upto


class Sink:
    """The topics of what goes out. A producer of an older epoch is fenced."""

    def __init__(self, world: "World") -> None:
        self._world = world
        world.epoch += 1
        self.epoch = world.epoch

    def publish(self, records: Sequence[Outgoing]) -> None:
        """All, or none of them."""
        names = f"{len(records)} records"
        self._world.gate.run("publish", names, lambda: self._publish(records), lost=KafkaAway("lost"))

    def _publish(self, records: Sequence[Outgoing]) -> None:
        if self.epoch != self._world.epoch:
            raise Fenced("another relay has taken over")
        self._world.published += records


def delivered(wanted: Wanted, *, offset: int, at: datetime) -> Delivered:
    """The record of an event."""
    value = json.dumps(event(SUBSCRIPTION, **wanted.changes)).encode()
    headers = (("ce_id", wanted.event_id),) if wanted.event_id else ()
    return Delivered(settings.KAFKA_TOPIC_PAYMENTS, 0, offset, int(at.timestamp() * 1000), None, value, headers)
