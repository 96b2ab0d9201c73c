"""Run the steps of many payments side by side: HTTP in threads, the database in the caller's thread alone.

One payment's trouble must never touch its neighbours: each is settled as soon as its own answer is there, a
call that never ends is given up by its own deadline, and an unexpected error is raised only after the others
have come to rest.
"""

import functools
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from payments import limits
from payments.answers import Reply, Unknown
from payments.charging.claim import Claim, claim
from payments.charging.pause import pause
from payments.charging.steps import Clock, Steps, steps
from payments.gateway import CONNECT_TIMEOUT, CONNECTIONS, READ_TIMEOUT, Gateway
from payments.models import Pause

log = structlog.get_logger(__name__)

# The read time-out counts from one byte to the next; this one counts from the start.
CALL_DEADLINE = timedelta(seconds=CONNECT_TIMEOUT + READ_TIMEOUT + 2)


OUTAGE = f"Stripe gave no answer {limits.FAILURES_TO_OPEN} times in a row: it is asked until it does"


@dataclass(frozen=True, kw_only=True)
class _Running:
    claim: Claim
    steps: Steps
    deadline: datetime


def charge(*, payment_ids: Sequence[uuid.UUID], gateway: Gateway, clock: Clock) -> int:
    """Claim what is due of these payments and bring each as far as it goes. Returns how many were claimed.

    Raises an `ExceptionGroup` after all have come to rest, if something unexpected happened to some of them;
    those keep their lease and are found by the sweep.
    """
    claims = claim(payment_ids=payment_ids, now=clock())
    troubles: list[Exception] = []
    running: dict[Future[Reply], _Running] = {}

    def advance(claimed: Claim, its_steps: Steps, answer: Reply | None) -> None:
        try:
            call = next(its_steps) if answer is None else its_steps.send(answer)
        except StopIteration:
            return
        except Exception as trouble:  # noqa: BLE001 - raised below, after its neighbours
            log.error("payment interrupted", payment=str(claimed.payment), error=type(trouble).__name__)
            troubles.append(trouble)
            return
        deadline = clock() + CALL_DEADLINE
        if deadline > claimed.lease_until:
            # Somebody else may take it over while we wait; whoever does goes on from the row.
            log.warning("lease too short for another call", payment=str(claimed.payment))
            its_steps.close()
            return
        running[_threads().submit(call)] = _Running(claim=claimed, steps=its_steps, deadline=deadline)

    for claimed in claims:
        advance(claimed, steps(claim=claimed, gateway=gateway, clock=clock), None)
    while running:
        for future in _ended(running, clock):
            ended = running.pop(future)
            # A call that hasn't begun is taken back; one that is under way may still be carried out.
            gave_up = not future.done()
            future.cancel()
            answer = Unknown(why="deadline") if gave_up else future.result()
            if limits.breaker.note(failed=isinstance(answer, Unknown) and answer.servers_fault):
                pause(cause=Pause.Cause.OUTAGE, reason=OUTAGE, who="breaker", now=clock())
            advance(ended.claim, ended.steps, answer)
    if troubles:
        raise ExceptionGroup("payments were interrupted", troubles)
    return len(claims)


def _ended(running: dict[Future[Reply], _Running], clock: Clock) -> Iterator[Future[Reply]]:
    """Wait for the next answers or deadlines."""
    nearest = min(one.deadline for one in running.values())
    done, _ = wait(running, timeout=max(0.0, (nearest - clock()).total_seconds()), return_when=FIRST_COMPLETED)
    yield from done
    now = clock()
    yield from [future for future, one in running.items() if one.deadline <= now and future not in done]


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """Threads that wait for Stripe, shared by all messages of this process; made after the fork, if any."""
    return ThreadPoolExecutor(max_workers=CONNECTIONS, thread_name_prefix="stripe")
