"""Which partitions are ours, and since which assignment.

A partition may leave us and come back while its records are in hand. They are stale then: another member may have
gone on behind them, and to commit their offsets would set the group back.
"""

import structlog
from confluent_kafka import Consumer, TopicPartition

from bridge.kafka.lag import Lag

log = structlog.get_logger(__name__)


class Membership:
    """The partitions of this member, each with the number (epoch) of the assignment that brought it.

    The callbacks run in the client's `poll`: they note what happened, do nothing else and raise nothing. Nothing is
    committed in them, as what could be committed has been already, and a partition that is lost is another's.
    """

    def __init__(self) -> None:
        self.new: set[int] = set()
        """Partitions that have become ours and that nobody has looked at yet."""
        self.lag = Lag()
        self._epochs: dict[int, int] = {}
        self._assignments = 0

    def epoch_of(self, partition: int) -> int | None:
        """The number of the assignment by which it is ours; None: it isn't."""
        return self._epochs.get(partition)

    def on_assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._assignments += 1
        self._epochs |= {one.partition: self._assignments for one in partitions}
        self.new |= {one.partition for one in partitions}
        self.lag.assigned(one.partition for one in partitions)
        log.info("partitions assigned", count=len(partitions))

    def on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions)
        log.info("partitions revoked", count=len(partitions))

    def on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions)
        log.warning("partitions lost", count=len(partitions), why="the group went on without us")

    def _forget(self, partitions: list[TopicPartition]) -> None:
        self.lag.revoked(one.partition for one in partitions)
        for one in partitions:
            self._epochs.pop(one.partition, None)
            self.new.discard(one.partition)
