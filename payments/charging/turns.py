"""Whose turn it is: payments of one message go to Stripe as the rate limit has tokens for their calls.

Tokens come before the claim, so that nobody holds a payment while it waits for its turn. What a payment may call
in one claim depends on its row; one look at the rows plans for all of them.
"""

import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from payments import limits
from payments.gateway import CONNECTIONS
from payments.limits import Endpoint, Granted, Priority, Wish
from payments.models import Attempt, Payment

Calls = frozenset[Endpoint]

# Of the calls that a process has under way, so many at most are for what can wait: whoever has just come in must
# find a connection, however slow Stripe is.
CONNECTIONS_FOR_BACKLOG = CONNECTIONS // 2


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How a message's payments may go: whether somebody waits for them now, and for how many seconds to wait for
    tokens before the rest is left to the next doorbell."""

    live: bool
    patience: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """What stands in the rows of a payment, as far as its next calls depend on it."""

    failed: bool
    retries: bool  # failed, and a scheduled retry has come
    customer: str | None
    intent: str | None
    intent_customer: str
    attempted: bool
    in_doubt: bool  # its open attempt may have been sent


# As SQL, since Django takes longer to write it than PostgreSQL to carry it out. One attempt is open at most (a unique
# index), so no payment comes twice.
_ROWS = """
    SELECT payment.id, status, retry_at, customer, intent_id, intent_customer, attempt.state, attempt.sent_at,
        attempt.in_doubt
    FROM payments_payment AS payment LEFT JOIN LATERAL (
        SELECT * FROM payments_attempt WHERE payment_id = payment.id AND state = ANY(%s) LIMIT 1
    ) AS attempt ON true
    WHERE payment.id = ANY(%s) AND (lease_until IS NULL OR lease_until <= %s) AND due_at <= %s AND closed_at IS NULL
"""


def calls_of(row: Row, *, knows_account: bool) -> Calls:
    """What a claim of this payment may call, each at most once; whatever else comes up is rare (`run`)."""
    if row.failed and not row.retries:
        return frozenset({Endpoint.RETRIEVE})
    calls = {Endpoint.CONFIRM}
    if row.in_doubt and row.intent:
        calls.add(Endpoint.RETRIEVE)
    if row.customer is None:
        calls.add(Endpoint.PAYMENT_METHOD)
    if row.intent is None:
        calls.add(Endpoint.CREATE)
        if not knows_account:
            calls.add(Endpoint.ACCOUNT)
    elif row.customer is None or row.customer not in ("", row.intent_customer):
        calls.add(Endpoint.UPDATE)
    return frozenset(calls)


def priority_of(row: Row, *, live: bool) -> Priority:
    """Who goes first. A look is never live, though Stripe may have given the hint just now: it gives many at once."""
    if row.failed and not row.retries:
        return Priority.LOOK
    if row.in_doubt:
        return Priority.UNKNOWN
    if live:
        return Priority.LIVE
    return Priority.REPLAY if row.attempted else Priority.LATE


def plan(*, payment_ids: Sequence[uuid.UUID], live: bool, knows_account: bool, now: datetime) -> dict[uuid.UUID, Wish]:
    """The wishes of those that are due and free, in the order given; one statement."""
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, [list(Attempt.OPEN), list(payment_ids), now, now])
        rows = cursor.fetchall()
    wishes = {}
    for one, status, retry_at, customer, intent, intent_customer, state, sent_at, doubted in rows:
        row = Row(
            failed=status == Payment.Status.FAILED,
            retries=retry_at is not None and retry_at <= now,
            customer=customer,
            intent=intent,
            intent_customer=intent_customer,
            attempted=intent is not None,
            in_doubt=state is not None and (state != Attempt.State.SENDING or sent_at is not None or doubted),
        )
        calls = calls_of(row, knows_account=knows_account)
        wishes[one] = Wish(calls=calls, priority=priority_of(row, live=live))
    return {one: wishes[one] for one in payment_ids if one in wishes}


class Connections:
    """How many payments of this process are at Stripe: more than there are connections would only wait for one."""

    def __init__(self, *, most: int) -> None:
        self._lock, self._most, self._taken = threading.Lock(), most, 0

    def take(self, *, wanted: int, leave: int) -> int:
        """Take as many as there are, and leave so many free. Returns how many."""
        with self._lock:
            taken = max(0, min(wanted, self._most - leave - self._taken))
            self._taken += taken
            return taken

    def free(self, count: int) -> None:
        """Hand back so many."""
        with self._lock:
            self._taken -= count


connections = Connections(most=CONNECTIONS)

NOTHING = Granted(places=(), pause=0.0)


class Turns:
    """The payments of one message that haven't had their turn yet."""

    def __init__(self, *, waiting: Mapping[uuid.UUID, Wish], pace: Pace) -> None:
        self.waiting, self.pace = dict(waiting), pace
        self._ask_at = time.monotonic()
        self._give_up_at = self._ask_at + pace.patience

    @property
    def is_waiting(self) -> bool:
        """Whether anybody still waits."""
        return bool(self.waiting)

    @property
    def is_time(self) -> bool:
        """Whether it is worth asking for tokens now."""
        return self.is_waiting and time.monotonic() >= self._ask_at

    @property
    def seconds(self) -> float | None:
        """Until it is worth asking again; None: nobody waits."""
        return max(0.0, self._ask_at - time.monotonic()) if self.waiting else None

    def pause(self, seconds: float) -> None:
        """Ask again then; or never, where its patience ends before."""
        self._ask_at = time.monotonic() + seconds
        if self._ask_at > self._give_up_at:
            self.stop()

    def stop(self) -> None:
        """Nobody waits any more; the next doorbell finds them."""
        self.waiting.clear()


def take(turns: Sequence[Turns]) -> list[dict[uuid.UUID, Wish]]:
    """Those of each whose turn it is: with their tokens, and with a connection each that the caller frees.

    One question for all of them, whoever is live first.
    """
    asked: list[tuple[int, uuid.UUID]] = []
    for place in sorted(range(len(turns)), key=lambda place: not turns[place].pace.live):
        waiting, leave = turns[place].waiting, 0 if turns[place].pace.live else CONNECTIONS - CONNECTIONS_FOR_BACKLOG
        asked += [(place, one) for one in list(waiting)[: connections.take(wanted=len(waiting), leave=leave)]]
    granted = NOTHING
    try:
        granted = limits.take(wishes=[turns[place].waiting[one] for place, one in asked]) if asked else NOTHING
    finally:
        connections.free(len(asked) - len(granted.places))
    taken: list[dict[uuid.UUID, Wish]] = [{} for _ in turns]
    for place, one in (asked[number] for number in granted.places):
        taken[place][one] = turns[place].waiting.pop(one)
    for one_message in turns:
        one_message.pause(max(limits.LEAST_PAUSE, granted.pause))
    return taken
