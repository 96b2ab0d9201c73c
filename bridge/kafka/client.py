"""The settings that every client of ours has, those of the consumer, and those of the producer."""

import logging
from typing import Any

from django.conf import settings

# Its own lines would repeat ours, less clearly.
_QUIET = logging.getLogger("librdkafka")
_QUIET.setLevel(logging.CRITICAL)

# What the client reads ahead, of all partitions together, and at most in one answer of a broker, which may come on
# top of that. By default 64 and 50 MiB. An answer always has room for one record, however long.
READ_AHEAD = 4 * 1024 * 1024
READ_AHEAD_RECORDS = 2_000
# What one partition gets at a time, or its backlog would let all others wait: a megabyte is a minute's work. The time
# of a turn is this, by the number of partitions.
TURN = 128 * 1024

# While a classic group rebalances, the broker answers nothing that comes behind a member's wish to join, on the same
# connection: neither a commit nor the word that it leaves, perhaps for as long as a killed member's session lasts. What
# has no answer by then is asked again on a new connection; by default after 60 s, longer than STOP_WITHIN. It is longer
# than a commit is waited for (COMMIT_TIMEOUT): else the member has joined anew, and its word stands behind that, too.
ANSWER_WITHIN_MS = 6_000


def common_settings() -> dict[str, Any]:
    return {
        # By default 10 s: a Kafka that is back shouldn't be waited for.
        "reconnect.backoff.max.ms": 5_000,
        **settings.KAFKA_PROPERTIES,
        "bootstrap.servers": settings.KAFKA_BROKER,
        "logger": _QUIET,
        "log.connection.close": False,
    }


def consumer_settings() -> dict[str, Any]:
    given = settings.KAFKA_PROPERTIES
    return {
        **common_settings(),
        **_group_settings(),
        "socket.timeout.ms": min(ANSWER_WITHIN_MS, int(given.get("socket.timeout.ms", ANSWER_WITHIN_MS))),
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # A position is set explicitly once (`start_from`); lost later, it is for a person to decide.
        "auto.offset.reset": "error",
        # An end that is reached is an event, by which `Lag` knows it.
        "enable.partition.eof": True,
        # Its default, a second, halves the throughput.
        "fetch.queue.backoff.ms": 5,
        "fetch.max.bytes": max(READ_AHEAD, int(given.get("message.max.bytes", 0))),
        "max.partition.fetch.bytes": TURN,
        "queued.max.messages.kbytes": READ_AHEAD // 1024,
        "queued.min.messages": READ_AHEAD_RECORDS,
    }


def producer_settings() -> dict[str, Any]:
    return {
        **common_settings(),
        "transactional.id": f"{settings.KAFKA_GROUP_ID}-relay",
        # When Kafka itself aborts what a dead relay has left: not while a living one still waits for its commit.
        "transaction.timeout.ms": 60_000,
        "delivery.timeout.ms": 50_000,
        "enable.idempotence": True,
        "acks": "all",
        # Of a transaction's records; its commit sends what is left at once.
        "linger.ms": 5,
        # What is refused is heard of. What isn't, the commit vouches for.
        "delivery.report.only.error": True,
        # kafkajs has only gzip, and puts keys where this partitioner does.
        "compression.type": "none",
        "partitioner": "murmur2_random",
    }


def _group_settings() -> dict[str, Any]:
    found: dict[str, Any] = {"group.id": settings.KAFKA_GROUP_ID, "group.protocol": settings.KAFKA_GROUP_PROTOCOL}
    if settings.KAFKA_GROUP_PROTOCOL == "classic":
        # With the newer protocol the brokers share out the partitions, and the client refuses this.
        found["partition.assignment.strategy"] = "cooperative-sticky"
    if settings.KAFKA_GROUP_INSTANCE_ID:
        found["group.instance.id"] = settings.KAFKA_GROUP_INSTANCE_ID
    return found
