"""Celery's way to Redis when the connection is lost: what kombu does there must not end a worker."""

import pytest

from billing_project.celery import app


def test_a_channel_that_is_closed_fails_as_a_lost_connection_does() -> None:
    """Which Celery takes for a reason to connect again; anything else ends the worker."""
    with app.connection() as connection:
        channel = connection.channel()
        connection.transport.close_connection(connection.connection)
        assert channel.closed
        with pytest.raises(connection.connection_errors, match="the channel is closed"):
            channel.pool  # noqa: B018
