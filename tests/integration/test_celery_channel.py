"""Celery's way to Redis when the connection is lost: what kombu does there must neither end a worker nor deafen it."""

from urllib.parse import urlsplit

import pytest
import redis
from django.conf import settings
from kombu import Consumer, Message, Queue

from billing_project.celery import app
from tests.chaos.network import Network


def test_a_channel_that_is_closed_fails_as_a_lost_connection_does() -> None:
    """Which Celery takes for a reason to connect again; anything else ends the worker."""
    with app.connection() as connection:
        channel = connection.channel()
        connection.transport.close_connection(connection.connection)
        assert channel.closed
        with pytest.raises(connection.connection_errors, match="the channel is closed"):
            channel.pool  # noqa: B018


def test_what_redis_does_not_hear_acknowledged_leaves_its_place_free() -> None:
    """P5: a worker asks for messages only while it has a place for one, and learns only then that its connection is
    lost: with no place ever free again it would take nothing more, and say nothing."""
    queue = Queue("acknowledged", routing_key="acknowledged")
    with Network("redis") as network, redis.Redis.from_url(settings.REDIS_URL) as server:
        link, there = network["redis"], urlsplit(settings.REDIS_URL)
        link.aim(f"{there.hostname}:{there.port}")
        server.delete("billing:acknowledged")
        taken: list[Message] = []
        with app.connection(settings.REDIS_URL.replace(f":{there.port}", f":{link.port}")) as connection:
            channel = connection.channel()
            channel.basic_qos(0, 1, False)
            connection.Producer().publish("a doorbell", routing_key=queue.name)
            with Consumer(channel, queues=[queue], on_message=taken.append):
                while not taken:
                    connection.drain_events(timeout=5)
                assert not channel.qos.can_consume()
                link.resets = True
                network.reset(link)
                taken[0].ack()
                assert channel.qos.can_consume()
                link.heal()
