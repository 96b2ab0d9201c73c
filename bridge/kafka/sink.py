"""Records to Kafka, within transactions under one fixed id, so that whoever opens it last fences all others."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from django.conf import settings

from bridge.kafka.client import producer_settings
from bridge.kafka.errors import Fenced, KafkaAway, explain, raise_for

OPEN_WITHIN = 10.0
COMMIT_WITHIN = 30.0


class Outgoing(NamedTuple):
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
        self._producer = Producer(producer_settings())

    def open(self) -> None:
        """Fence the predecessor and finish or abort what it left. Raises `KafkaAway`, `KafkaRefuses`."""
        self._do(lambda: self._producer.init_transactions(OPEN_WITHIN))
        outgoing = (settings.KAFKA_TOPIC_NOTIFICATIONS, settings.KAFKA_TOPIC_DEAD_LETTERS, settings.KAFKA_TOPIC_REFUNDS)
        for topic in filter(None, outgoing):
            self._do(lambda topic=topic: self._find(topic))

    def publish(self, records: Sequence[Outgoing]) -> None:
        """Produce all and return when Kafka has acknowledged all.

        Raises `Unpublishable` (none of them is visible; try them one by one), and `KafkaAway` (they may be visible
        or not) and `Fenced`, after which this sink is of no more use.
        """
        self._do(self._producer.begin_transaction)
        refused: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                refused.append(error)

        try:
            for record in records:
                self._produce(record, delivered)
            self._producer.commit_transaction(COMMIT_WITHIN)
        except KafkaException as error:
            cause = error.args[0]
            # Out of time, a commit is still under way and can't be aborted: whoever opens the next sink finds out.
            if cause.retriable() or _is_fenced(cause):
                _raise(cause)
            self._do(lambda: self._producer.abort_transaction(COMMIT_WITHIN))
            for why in [cause, *refused]:
                if _is_the_records_fault(why):
                    self._begin_anew()
                    raise Unpublishable(why.str()) from None
            # The cause may only say that records were refused, and they say why.
            raise_for(next((why for why in refused if explain(why)), cause))

    def close(self) -> None:
        """Give up what isn't acknowledged; it will be published again."""
        self._producer.purge()
        # One that has failed for good says so again, which must not hide why.
        with suppress(KafkaException):
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

    def _begin_anew(self) -> None:
        """A producer counts a record that the broker has refused, the broker doesn't: it would refuse all others."""
        self.close()
        self._producer = Producer(producer_settings())
        self.open()

    def _find(self, topic: str) -> None:
        error = self._producer.list_topics(topic, timeout=OPEN_WITHIN).topics[topic].error
        if error is not None and explain(error) is not None:
            raise_for(error)
        if error is not None:
            # Known now, or nobody would know why the first record waits.
            raise KafkaAway(f"topic {topic} is not there: make it with manage.py topics")

    def _do(self, step: Any) -> None:
        try:
            step()
        except KafkaException as error:
            _raise(error.args[0])


def _raise(error: KafkaError) -> NoReturn:
    if _is_fenced(error):
        raise Fenced(error.str()) from None
    raise_for(error)


def _is_fenced(error: KafkaError) -> bool:
    # What our user may not is fatal to a producer, too, but nobody has taken over.
    return error.code() == KafkaError._FENCED or (bool(error.fatal()) and explain(error) is None)


def _is_the_records_fault(error: KafkaError) -> bool:
    return error.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG, KafkaError.INVALID_RECORD)
