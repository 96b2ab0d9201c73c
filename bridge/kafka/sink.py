"""Records to Kafka, within transactions under one fixed id, so that whoever opens it last fences all others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from django.conf import settings

from bridge.kafka.client import common_settings
from bridge.kafka.errors import Fenced, raise_for


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """One record to produce."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class Unpublishable(Exception):
    """Kafka will never take one of the records, for what it is."""


class Sink:
    """Produces within transactions under one fixed id, so that whoever opens it last fences all others."""

    def __init__(self) -> None:
        self._producer = Producer({
            **common_settings(),
            "transactional.id": f"{settings.KAFKA_GROUP_ID}-relay",
            "transaction.timeout.ms": 60_000,
            "delivery.timeout.ms": 50_000,
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 0,
            # kafkajs has only gzip, and puts keys where this partitioner does.
            "compression.type": "none",
            "partitioner": "murmur2_random",
        })  # fmt: skip

    def open(self) -> None:
        """Fence the predecessor and finish or abort what it left. Raises `KafkaAway`, `KafkaRefuses`."""
        self._do(lambda: self._producer.init_transactions(10))

    def publish(self, records: Sequence[Outgoing]) -> None:
        """Produce all and return when Kafka has acknowledged all, or raise with none of them visible.

        Raises `Unpublishable` (abort was made; try them one by one), `KafkaAway`, `Fenced`.
        """
        self._do(self._producer.begin_transaction)
        refused: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                refused.append(error)

        try:
            for record in records:
                self._produce(record, delivered)
            self._producer.commit_transaction(30)
        except KafkaException as error:
            cause = error.args[0]
            if cause.fatal() or cause.code() == KafkaError._FENCED:
                raise Fenced(cause.str()) from None
            self._do(lambda: self._producer.abort_transaction(30))
            for why in [cause, *refused]:
                if _is_the_records_fault(why):
                    raise Unpublishable(why.str()) from None
            raise_for(cause)

    def close(self) -> None:
        """Give up what isn't acknowledged; it will be published again."""
        self._producer.purge()
        self._producer.flush(1)

    def _produce(self, record: Outgoing, delivered: Any) -> None:
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    key=record.key,
                    value=record.value,
                    headers=record.headers,
                    on_delivery=delivered,
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def _do(self, step: Any) -> None:
        try:
            step()
        except KafkaException as error:
            if error.args[0].fatal() or error.args[0].code() == KafkaError._FENCED:
                raise Fenced(error.args[0].str()) from None
            raise_for(error.args[0])


def _is_the_records_fault(error: KafkaError) -> bool:
    return error.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG, KafkaError.INVALID_RECORD)
