"""For how long Kafka keeps the records of our topics, for whoever has to say until when something is still there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from confluent_kafka import KafkaException
from confluent_kafka.admin import ConfigResource

from bridge.kafka.connection import connect
from bridge.kafka.errors import answered

ANSWER_WITHIN = 10.0


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One topic. `seconds`: how long a record is kept at least, and how much longer it may be, as Kafka deletes whole
    segments; None: for ever, or until there is a newer one of its key."""

    topic: str
    seconds: float | None
    longer: float = 0.0

    def until(self, newest: datetime) -> datetime | None:
        """When the newest record is gone for sure; None: nobody can tell."""
        return None if self.seconds is None else newest + timedelta(seconds=self.seconds + self.longer)


def look_at_kept(topics: Sequence[str], *, patience: Sequence[float] | None = None) -> dict[str, Kept]:
    """By topic, but for those that aren't there or keep their settings to themselves.

    Raises `KafkaAway`, `KafkaRefuses`.
    """
    admin, _ = connect(patience=patience)
    resources = [ConfigResource("topic", topic) for topic in topics]
    found: dict[str, Kept] = {}
    for resource, answer in admin.describe_configs(resources, request_timeout=ANSWER_WITHIN).items():
        try:
            told = answered(answer, within=ANSWER_WITHIN)
        except KafkaException:
            continue
        values = {name: one.value for name, one in told.items()}
        milliseconds = int(values.get("retention.ms") or -1)
        for_ever = milliseconds < 0 or "compact" in str(values.get("cleanup.policy"))
        found[resource.name] = Kept(
            topic=resource.name,
            seconds=None if for_ever else milliseconds / 1000,
            longer=int(values.get("segment.ms") or 0) / 1000,
        )
    return found
