"""The Celery app of worker and beat: `celery -A billing_project worker`, `celery -A billing_project beat`.

Time arithmetic, each smaller than the next: Stripe calls (3 s + 25 s) < lease 120 s < visibility time-out 600 s.
The threads pool ignores Celery's task time limits; deadlines are our own, call by call.
"""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, task_prerun
from django.conf import settings
from django.db import close_old_connections
from kombu import Queue

from payments.limits import CHARGE_QUEUE, KEY_PREFIX, SWEEP_QUEUE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_project.settings")

app = Celery("billing_project")
app.conf.update(
    broker_url=settings.REDIS_URL,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # The shortest visibility_timeout of all clients wins, so every process says the same.
    broker_transport_options={
        "visibility_timeout": 600,
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "global_keyprefix": KEY_PREFIX,
    },
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    # A charge that is killed half-way is unknown: never cancel one because Redis went away.
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_soft_shutdown_timeout=40,
    # Stripe's answers are waited for in threads; processes would only cost memory.
    worker_pool="threads",
    worker_concurrency=8,
    worker_hijack_root_logger=False,
    worker_enable_remote_control=False,
    # Without an exchange: those need a binding in Redis, which FLUSHALL would take.
    task_queues=[Queue(name, routing_key=name) for name in (CHARGE_QUEUE, SWEEP_QUEUE)],
    task_default_queue=CHARGE_QUEUE,
    task_routes={
        "payments.charge": {"queue": CHARGE_QUEUE},
        "payments.sweep": {"queue": SWEEP_QUEUE},
        "payments.hint": {"queue": SWEEP_QUEUE},
    },
    accept_content=["json"],
    task_serializer="json",
    timezone="UTC",
    # Django's fix-up would close the database connection around each task, at seven times PostgreSQL's CPU.
    CELERY_DB_REUSE_MAX=1_000_000,
    beat_scheduler="celery.beat:Scheduler",  # keeps nothing on disk: the rows know what is due
    beat_schedule={
        # Every second: a lost doorbell costs no more. Stale sweeps are worth nothing.
        "sweep": {"task": "payments.sweep", "schedule": 1.0, "options": {"expires": 5}},
        "hint": {"task": "payments.hint", "schedule": 1.0, "options": {"expires": 5}},
    },
)
app.autodiscover_tasks(["payments"])


@task_prerun.connect
def _fresh_connection(**_: Any) -> None:
    """One that broke, or is older than CONN_MAX_AGE, is replaced before a task begins."""
    close_old_connections()


@setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Celery would put its own handlers in the place of those of `billing_project.logs`."""
