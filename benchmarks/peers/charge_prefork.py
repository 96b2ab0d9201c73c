"""Celery as most run it, with forked processes, one payment a task: `celery -A benchmarks.peers.charge_prefork worker`.

Each process waits for one answer of Stripe's at a time, so `-c` is how many payments are under way.
"""

import os
from typing import Any

from celery import Celery

from benchmarks.peers import shop

app = Celery("charge_prefork", broker=os.environ["REDIS_URL"])
app.conf.update(
    worker_pool="prefork",
    worker_concurrency=8,
    worker_prefetch_multiplier=1,
    task_acks_late=True,
    task_ignore_result=True,
    task_default_queue="charge_prefork",
    broker_connection_retry_on_startup=True,
    # Celery would close the database's connection around each task, whatever CONN_MAX_AGE says: most never find out.
    CELERY_DB_REUSE_MAX=1_000_000,
)


@app.task(name="charge")
def charge(*, payment_id: int, **_: Any) -> None:
    """Charge one payment."""
    shop.charge(payment_id)
