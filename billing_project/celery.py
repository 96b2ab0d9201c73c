"""The Celery app of worker and beat: `celery -A billing_project worker`, `celery -A billing_project beat`.

Time arithmetic, each smaller than the next: Stripe calls (3 s + 25 s) < lease 120 s < visibility time-out 600 s.
The threads pool ignores Celery's task time limits; deadlines are our own, call by call.
"""

import gc
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING, Any

import structlog
from celery import Celery
from celery.signals import (
    beat_init,
    heartbeat_sent,
    setup_logging,
    task_postrun,
    task_prerun,
    worker_init,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)
from django.conf import settings
from kombu import Queue
from kombu.transport import virtual
from kombu.transport.redis import Channel, QoS, Transport

from billing_project import lent_connections
from billing_project.progress import progress
from payments import counters
from payments.limits import BACKLOG_QUEUE, CHARGE_QUEUE, KEY_PREFIX, SWEEP_QUEUE, WORKER_SLOTS

if TYPE_CHECKING:
    from payments.heartbeats import Heart, Process

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_project.settings")

log = structlog.get_logger(__name__)

# Seconds for which a thread may keep the interpreter while another one waits for it. A payment goes from thread to
# thread (one hears Redis, one charges, one asks Stripe): with Python's default of 5 ms the whole way takes 450 ms at
# 200 payments a second, less Stripe's time, with this one 260 ms, for the same time of the processor.
SWITCH_INTERVAL = 0.0005

# That a worker may have open, where the system lets it.
FILES = 65_536

# Has no use for a connection to PostgreSQL: one thread charges for all of a worker.
CHARGE = "payments.charge"

# Where the connection is lost, kombu would put back what is in hand through the very connection that is gone, and end
# the worker on that now and then. A lost doorbell is rung again by the sweep.
Channel.do_restore = False


class Places(QoS):
    """A worker's places for messages. An end that Redis doesn't hear of frees one, too: kombu asks Redis for messages
    only while there is a place, and would never learn that its connection is lost. Such a message comes once more."""

    def ack(self, delivery_tag: str) -> None:
        """Raises nothing where Redis is away."""
        try:
            super().ack(delivery_tag)
        except self.channel.connection_errors as error:
            log.warning("not acknowledged, comes again", error=type(error).__name__)
            virtual.QoS.ack(self, delivery_tag)


class OpenChannel(Channel):
    """One that says so when it is closed. kombu hears of old channels for a moment after Redis is back, and where they
    should fail as the connection has, they end the worker: `connection` is None then."""

    QoS = Places

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection is None:
            raise ConnectionError("the channel is closed")
        return super()._connparams(asynchronous)


Transport.Channel = OpenChannel

app = Celery("billing_project")
app.conf.update(
    broker_url=settings.REDIS_URL,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # Redis that is full, or has become a replica, answers with an error; it is waited for like one that is away.
    broker_channel_error_retry=True,
    # The shortest visibility_timeout of all clients wins, so every process says the same.
    broker_transport_options={
        "visibility_timeout": 600,
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "global_keyprefix": KEY_PREFIX,
        # In the order of `task_queues`: whoever is at the front is served as long as there is anything.
        "queue_order_strategy": "priority",
    },
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    # A charge that is killed half-way is unknown: never cancel one because Redis went away.
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_soft_shutdown_timeout=40,
    # Stripe's answers are waited for on an event loop, and by threads; processes would only cost memory.
    worker_pool="threads",
    worker_concurrency=WORKER_SLOTS,
    worker_consumer="billing_project.celery_consumer:Consumer",
    worker_hijack_root_logger=False,
    worker_enable_remote_control=False,
    # Without an exchange: those need a binding in Redis, which FLUSHALL would take.
    task_queues=[Queue(name, routing_key=name) for name in (SWEEP_QUEUE, CHARGE_QUEUE, BACKLOG_QUEUE)],
    task_default_queue=CHARGE_QUEUE,
    task_routes={
        CHARGE: {"queue": CHARGE_QUEUE},
        "payments.sweep": {"queue": SWEEP_QUEUE},
        "payments.hint": {"queue": SWEEP_QUEUE},
        "payments.give_back": {"queue": SWEEP_QUEUE},
        "payments.reconcile": {"queue": SWEEP_QUEUE},
        "payments.statement": {"queue": SWEEP_QUEUE},
        "payments.sweep_jobs": {"queue": SWEEP_QUEUE},
        "payments.count": {"queue": SWEEP_QUEUE},
        "payments.prune": {"queue": SWEEP_QUEUE},
    },
    accept_content=["json"],
    task_serializer="json",
    timezone="UTC",
    # Django's fix-up would close the database connection around each task, at seven times PostgreSQL's CPU; connections
    # are lent to tasks in its place.
    CELERY_DB_REUSE_MAX=1_000_000,
    beat_scheduler="billing_project.celery_beat:Beat",
    beat_schedule={
        # Every second: a lost doorbell costs no more. It rings for `hint`, `give_back` and `sweep_jobs` where they have
        # something to do: a message costs more than the one statement that tells.
        "sweep": {"task": "payments.sweep", "schedule": 1.0},
        # Does nothing but every ten minutes, or until an interrupted run is done.
        "reconcile": {"task": "payments.reconcile", "schedule": 60.0},
        # Does nothing unless a person waits for one, or a month is over.
        "statement": {"task": "payments.statement", "schedule": 10.0},
        # The dashboard's numbers; does nothing while the last count's time isn't over.
        "count": {"task": "payments.count", "schedule": 5.0},
        # Does nothing but once a day, in slices, and only where a KEEP_… is set.
        "prune": {"task": "payments.prune", "schedule": 60.0},
        # For previews that nobody has confirmed.
        "jobs": {"task": "payments.sweep_jobs", "schedule": 60.0},
    },
)
app.autodiscover_tasks(["payments"])
app.autodiscover_tasks(["payments"], related_name="jobs.tasks")


def _heart_of(process: "Process") -> "Heart":
    # Only now: Celery imports this module before Django is set up, and a heart needs its model.
    from payments.heartbeats import heart_of

    return heart_of(process)


@task_prerun.connect
def _borrow_connection(task: Any, **_: Any) -> None:
    if task.name != CHARGE:
        lent_connections.borrow()


@task_postrun.connect
def _give_back_connection(**_: Any) -> None:
    lent_connections.give_back()


@beat_init.connect
def _beat_is_there(sender: Any, **_: Any) -> None:
    signal.signal(signal.SIGTERM, sender.scheduler.end)
    signal.signal(signal.SIGINT, sender.scheduler.end)
    progress.begin(path=settings.HEALTH_FILE)
    _heart_of("beat").start()


@worker_init.connect
def _worker_begins(sender: Any, **_: Any) -> None:
    """Its numbers are those of this process: where `-P prefork` has others do the work, they would all stay 0."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    _may_open_many_files()
    in_here = any(name in str(sender.pool_cls) for name in ("thread", "solo"))
    if settings.METRICS_PORT is not None and not in_here:
        log.warning(
            "numbers are not served", setting="METRICS_PORT", why="with this pool the work is done in other processes",
            fix="use the pool 'threads'",
        )  # fmt: skip
    progress.begin(
        path=settings.HEALTH_FILE,
        slots=sender.concurrency if in_here else None,
        port=settings.METRICS_PORT if in_here else None,
    )


def _may_open_many_files() -> None:
    """By default a process may have 1,024 open, and each payment at Stripe needs a connection."""
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(least, min(most, FILES)), most))


@worker_ready.connect
def _worker_is_there(**_: Any) -> None:
    # All that was imported stays: looking through it for what nobody needs any more took a tenth of the time.
    gc.collect()
    gc.freeze()
    _heart_of("worker").note()
    _heart_of("worker").start()


@task_prerun.connect
@heartbeat_sent.connect
def _worker_goes_round(**_: Any) -> None:
    """It takes messages, or would: Celery's own heartbeat goes as long as the worker reaches Redis."""
    _heart_of("worker").note()
    progress.touch()


@task_prerun.connect
def _task_begins(task_id: str, task: Any, **_: Any) -> None:
    """Whatever is logged from now on, in this thread, says which task it was in."""
    structlog.contextvars.bind_contextvars(task=task_id)
    progress.take_up(task_id, charges=task.name == CHARGE)


@task_postrun.connect
def _task_ends(task_id: str, task: Any, state: str | None, **_: Any) -> None:
    structlog.contextvars.unbind_contextvars("task")
    counters.count_task(task=task.name, state=state or "unknown", seconds=progress.put_down(task_id))


@worker_shutting_down.connect
def _worker_is_told_to_end(**_: Any) -> None:
    """It waits for what it has in hand. Books take minutes, longer than an orchestrator waits."""
    from payments.reconcile import stop_reading

    stop_reading()


@worker_shutdown.connect
def _worker_ends(**_: Any) -> None:
    progress.end()
    _heart_of("worker").stop()


@setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Celery would put its own handlers in the place of those of `billing_project.logs`."""
