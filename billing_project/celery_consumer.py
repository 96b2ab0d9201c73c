"""The loop in which a worker takes its messages: Celery's, that is seen to be alive while Redis is away."""

from typing import Any

from celery.worker import consumer

from billing_project.progress import progress
from payments.heartbeats import heart_of


class Consumer(consumer.Consumer):
    """Celery waits for its broker in the main thread, and nothing of the loop goes round meanwhile."""

    def __init__(self, *args: Any, **options: Any) -> None:
        # Workers have nothing to say to each other: mingling delays a start, and gossip reads everybody's heartbeat.
        super().__init__(*args, **options, without_gossip=True, without_mingle=True)

    def ensure_connected(self, conn: Any) -> Any:
        """Wait for Redis, for as long as it takes."""
        heart, told = heart_of("worker"), False

        def say_so() -> None:
            nonlocal told
            told = True
            heart.tell(waits_for="Redis does not answer (REDIS_URL)")
            heart.note()

        with progress.waiting(say_so):
            connected = super().ensure_connected(conn)
        if told:
            heart.tell(waits_for=None)
        return connected
