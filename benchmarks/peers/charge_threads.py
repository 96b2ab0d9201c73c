"""Celery with threads, one payment a task: `celery -A benchmarks.peers.charge_threads worker`.

Threads wait for Stripe as well as processes do and cost less memory, so there are more of them.
"""

import os
from typing import Any

from celery import Celery

from benchmarks.peers import shop

app = Celery("charge_threads", broker=os.environ["REDIS_URL"])
app.conf.update(
    worker_pool="threads",
    worker_concurrency=50,
    worker_prefetch_multiplier=1,
    task_acks_late=True,
    task_ignore_result=True,
    task_default_queue="charge_threads",
    broker_connection_retry_on_startup=True,
    # As with processes.
    CELERY_DB_REUSE_MAX=1_000_000,
)


@app.task(name="charge")
def charge(*, payment_id: int, **_: Any) -> None:
    """Charge one payment."""
    shop.charge(payment_id)
