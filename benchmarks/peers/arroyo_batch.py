"""Arroyo, Sentry's: batches of up to 500 for a step that creates the rows in bulk; offsets when the step is done.

Risks an end for good: one record that the database refuses, or that isn't as documented, ends the process, and so does
its next start.
"""

from collections.abc import Mapping

from arroyo import Partition, Topic
from arroyo.backends.kafka import KafkaConsumer, KafkaPayload
from arroyo.backends.kafka.configuration import build_kafka_consumer_configuration
from arroyo.commit import IMMEDIATE
from arroyo.processing import StreamProcessor
from arroyo.processing.strategies import CommitOffsets, ProcessingStrategy, ProcessingStrategyFactory, RunTask
from arroyo.processing.strategies.batching import BatchStep, ValuesBatch
from arroyo.types import BrokerValue, Commit, Message
from django.conf import settings
from django.db import transaction

from benchmarks.peers.rows import Rows, make_rows
from payments.models import InboxMessage, Payment, Subscription


class Batches(ProcessingStrategyFactory[KafkaPayload]):
    """Records to batches, batches to rows, rows to offsets."""

    def create_with_partitions(self, commit: Commit, _: Mapping[Partition, int]) -> ProcessingStrategy[KafkaPayload]:
        """For each assignment anew."""
        return BatchStep(max_batch_size=500, max_batch_time=0.5, next_step=RunTask(store, CommitOffsets(commit)))


def store(batch: Message[ValuesBatch[KafkaPayload]]) -> None:
    """One batch, in one transaction."""
    subscriptions, payments, inbox = zip(*(_rows(one) for one in batch.payload), strict=True)
    with transaction.atomic():
        Subscription.objects.bulk_create(subscriptions, ignore_conflicts=True)
        Payment.objects.bulk_create(payments, ignore_conflicts=True)
        InboxMessage.objects.bulk_create(inbox, ignore_conflicts=True)


def _rows(one: BrokerValue[KafkaPayload]) -> Rows:
    return make_rows(one.partition.topic.name, one.partition.index, one.offset, one.payload.value)


def main() -> None:
    """Until it is killed."""
    consumer = KafkaConsumer(
        build_kafka_consumer_configuration(
            {}, bootstrap_servers=[settings.KAFKA_BROKER], group_id=settings.KAFKA_GROUP_ID,
            auto_offset_reset="earliest",
        )
    )  # fmt: skip
    StreamProcessor(consumer, Topic(settings.KAFKA_TOPIC_PAYMENTS), Batches(), IMMEDIATE).run()


if __name__ == "__main__":
    main()
