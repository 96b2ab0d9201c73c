"""Run the steps of many refunds side by side: HTTP in threads, the database in the caller's thread alone."""

import functools
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import InterfaceError, OperationalError, connection

from payments import limits
from payments.answers import Reply, Unknown
from payments.charging.calls import CALL_DEADLINE
from payments.charging.pause import heed
from payments.charging.steps import Call, Calls, Clock
from payments.gateway import Gateway
from payments.refunds.claim import claim
from payments.refunds.steps import steps

log = structlog.get_logger(__name__)

# At once. Nobody waits for a refund as for a charge, and few are asked for.
AT_ONCE = 20

# Session-level advisory lock: whoever holds it is the one task at work on refunds. The number is arbitrary and fixed.
# It only keeps a Stripe that hangs from taking one thread of the workers after the other.
LOCK = 7_243_003


@dataclass(frozen=True, kw_only=True)
class Job:
    """Steps under a lease. `name` is for the log."""

    name: str
    steps: Calls
    lease_until: datetime


@dataclass(frozen=True, kw_only=True)
class _Running:
    job: Job
    call: Call
    deadline: datetime


@contextmanager
def alone() -> Iterator[bool]:
    """Whether nobody else is at work on refunds: until the end of the block we are, if so."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        mine = bool(cursor.fetchone()[0])
    try:
        yield mine
    finally:
        # Where the connection is gone, so is the lock.
        with suppress(OperationalError, InterfaceError):
            if mine:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def carry_out(*, refund_ids: Sequence[uuid.UUID], gateway: Gateway, clock: Clock) -> int:
    """Claim what is due of these refunds and bring each as far as it goes. Returns how many were claimed.

    Raises an `ExceptionGroup` after all have come to rest, if something unexpected happened to some of them; those
    keep their lease and are found again.
    """
    jobs = [
        Job(name=str(one.refund), steps=steps(claim=one, gateway=gateway, clock=clock), lease_until=one.lease_until)
        for one in claim(refund_ids=refund_ids, now=clock())
    ]
    run_side_by_side(jobs=jobs, clock=clock)
    return len(jobs)


def run_side_by_side(*, jobs: Sequence[Job], clock: Clock) -> None:
    """Bring each job to its end: one's trouble never touches its neighbours. Raises as `carry_out` does."""
    running: dict[Future[Reply], _Running] = {}
    troubles: list[Exception] = []

    def advance(job: Job, ended: tuple[Call, Future[Reply]] | None) -> None:
        try:
            call = next(job.steps) if ended is None else job.steps.send(_answer(*ended, clock))
        except StopIteration:
            return
        except Exception as trouble:
            log.error("refund interrupted", refund=job.name, error=type(trouble).__name__, exc_info=trouble)
            troubles.append(trouble)
            return
        _start(running, job, call, clock)

    for job in jobs:
        advance(job, None)
    while running:
        for future in _ended(running, clock):
            one = running.pop(future)
            advance(one.job, (one.call, future))
    if troubles:
        raise ExceptionGroup("refunds were interrupted", troubles)


def _answer(call: Call, future: Future[Reply], clock: Clock) -> Reply:
    """What the call came to, and what it means for all others. One that is late is given up, if not undone."""
    gave_up = not future.done()
    future.cancel()
    answer = Unknown(why="deadline") if gave_up else future.result()
    heed(endpoint=call.endpoint, reply=answer, now=clock())
    return answer


def _start(running: "dict[Future[Reply], _Running]", job: Job, call: Call, clock: Clock) -> None:
    """Under its own deadline, and when the rate limit lets it."""
    pause = limits.reserve(endpoint=call.endpoint)
    deadline = clock() + timedelta(seconds=pause) + CALL_DEADLINE
    if deadline > job.lease_until:
        # Somebody else may take it over while we wait; whoever does goes on from the row.
        log.warning("lease too short for another call", refund=job.name)
        job.steps.close()
        return
    future = _threads().submit(functools.partial(_call, call, pause))
    running[future] = _Running(job=job, call=call, deadline=deadline)


def _call(call: Call, pause: float) -> Reply:
    if pause > 0:
        time.sleep(pause)
    return call()


def _ended(running: "dict[Future[Reply], _Running]", clock: Clock) -> "list[Future[Reply]]":
    """Wait for the next answers or deadlines."""
    nearest = min(one.deadline for one in running.values())
    done, _ = wait(running, timeout=max(0.0, (nearest - clock()).total_seconds()), return_when=FIRST_COMPLETED)
    now = clock()
    return [*done, *(future for future, one in running.items() if one.deadline <= now and future not in done)]


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """Threads that wait for Stripe; made after the fork, if any."""
    return ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="refunds")
