"""Counting I/O, and dying at it.

Every effect that outlives the process passes one gate: a COMMIT (or a statement that commits by itself), a
call to Stripe, a publish, an offset commit, a doorbell. The gate counts them, and strikes where it was told to:

* die before, die after: the process is gone. Before, the operation never happened; after, it did and nobody
  learnt of it. What dies is unwound by an exception that no code can mistake for an error of its own; the open
  transaction is rolled back, as PostgreSQL does when a connection is lost.
* lose before, lose after: the same, but the process lives and is told that the connection broke. Whether the
  operation happened it can't know; a COMMIT that was acknowledged too late looks exactly like this.
* stall before, stall after: the process stands still, others take over whatever they can, and then it goes on as
  if nothing had been, by a clock that is behind theirs. Only where no transaction is open.
* hint before: the process goes on, but first all of Stripe's webhooks about what has happened so far come in.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

import requests
from django.db import OperationalError, connection
from requests.structures import CaseInsensitiveDict

T = TypeVar("T")


class Died(BaseException):
    """The process is gone. Not an `Exception`: nothing in the product may catch it."""


class Way(Enum):
    """What happens at an operation."""

    DIE_BEFORE = "die-before"
    DIE_AFTER = "die-after"
    LOSE_BEFORE = "lose-before"
    LOSE_AFTER = "lose-after"
    STALL_BEFORE = "stall-before"
    STALL_AFTER = "stall-after"
    HINT_BEFORE = "hint-before"


STALLS = (Way.STALL_BEFORE, Way.STALL_AFTER, Way.HINT_BEFORE)

# A COMMIT that stands still keeps its locks, so nobody could take over; a doorbell takes no time.
CANT_STALL = frozenset({"commit", "ring"})


@dataclass(frozen=True, slots=True)
class Strike:
    """Strike at the `at`-th operation (from 1) since the last strike, or since the beginning."""

    at: int
    way: Way

    def __str__(self) -> str:
        return f"{self.at}:{self.way.value}"

    @classmethod
    def parse(cls, text: str) -> "Strike":
        """What `str` has written."""
        at, _, way = text.partition(":")
        return cls(int(at), Way(way))


@dataclass(slots=True)
class Operation:
    """One operation that passed the gate."""

    kind: str
    name: str


@dataclass
class Gate:
    """Counts operations and strikes. `stalled` is called where a process stands still, `hinted` for webhooks."""

    strikes: list[Strike] = field(default_factory=list)
    stalled: Callable[[], None] = lambda: None
    hinted: Callable[[], None] = lambda: None
    struck: Callable[[], None] = lambda: None
    seen: list[Operation] = field(default_factory=list)
    """Since the last strike."""
    counts: Counter[str] = field(default_factory=Counter)
    log: list[str] = field(default_factory=list)
    open: bool = False

    def run(self, kind: str, name: str, do: Callable[[], T], *, lost: Exception) -> T:
        """Let one operation pass, unless it is time to strike. `lost`: what a broken connection looks like."""
        if not self.open:
            return do()
        self.seen.append(Operation(kind, name))
        self.counts[kind] += 1
        if not self.strikes or self.strikes[0].at != len(self.seen):
            self.log.append(f"{kind} {name}")
            return do()
        way = self.strikes.pop(0).way
        self.seen = []
        self.log.append(f"{kind} {name}   <-- {way.value}")
        self.struck()
        return self._strike(way, kind, do, lost)

    def _strike(self, way: Way, kind: str, do: Callable[[], T], lost: Exception) -> T:
        match way:
            case Way.DIE_BEFORE | Way.LOSE_BEFORE:
                raise Died if way is Way.DIE_BEFORE else lost
            case Way.DIE_AFTER | Way.LOSE_AFTER:
                # Whatever its outcome, nobody learns it.
                with suppress(Exception):
                    do()
                raise Died if way is Way.DIE_AFTER else lost
            case Way.STALL_BEFORE | Way.HINT_BEFORE:
                if kind not in CANT_STALL:
                    (self.stalled if way is Way.STALL_BEFORE else self.hinted)()
                return do()
            case Way.STALL_AFTER:
                done = do()
                if kind not in CANT_STALL:
                    self.stalled()
                return done

    @contextmanager
    def watch_database(self) -> Iterator[None]:
        """Send every COMMIT, and every statement that commits by itself, through the gate."""
        database: Any = connection  # its `_commit` is the one door to the driver's, and not public
        really = database._commit

        def commit() -> None:
            try:
                self.run("commit", "", really, lost=OperationalError("connection lost at COMMIT"))
            except Died:
                # As the server does when the client is gone; after a COMMIT there is nothing left to roll back.
                connection.connection.rollback()
                raise

        database._commit = commit
        try:
            with connection.execute_wrapper(self._execute):
                yield
        finally:
            database._commit = really

    def _execute(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        verb, *rest = sql.split(None, 2)
        if connection.in_atomic_block or verb not in ("INSERT", "UPDATE", "DELETE", "SET"):
            return execute(sql, params, many, context)
        name = "NOTIFY" if verb == "SET" else f"{verb} {rest[-1].split()[0] if verb != 'UPDATE' else rest[0]}"
        lost = OperationalError("connection lost")
        return self.run("statement", name, lambda: execute(sql, params, many, context), lost=lost)


class Session(requests.Session):
    """Sends every call to Stripe through the gate of the history under way."""

    gate = Gate()

    def request(self, method: Any, url: Any, *_: Any, **asked: Any) -> requests.Response:
        """One call to Stripe, as the SDK asks for it.

        Straight to the adapter, which speaks HTTP: all that a session does before is for proxies, redirects and
        cookies, of which there are none, and takes longer than the call.
        """
        url = url.replace("[", "%5B").replace("]", "%5D")
        request = requests.PreparedRequest()
        request.method, request.url, request.body = method.upper(), url, asked["data"]
        request.headers = CaseInsensitiveDict(asked["headers"])
        if request.body:
            request.headers["Content-Length"] = str(len(request.body))
        name = f"{request.method} {request.path_url}"
        lost = requests.ConnectionError("connection lost")
        return self.gate.run("stripe", name, lambda: self._send(request, asked["timeout"]), lost=lost)

    def _send(self, request: requests.PreparedRequest, timeout: tuple[float, float]) -> requests.Response:
        answer = self.get_adapter(request.url or "").send(request, timeout=timeout)
        _ = answer.content  # read whole, or it would be the next caller's
        return answer


def ways_at(operation: Operation, *, among: tuple[Way, ...]) -> Iterator[Way]:
    """Those of the ways that make a difference at this operation."""
    for way in among:
        if operation.kind in CANT_STALL and way in STALLS:
            continue
        # Elsewhere it is the next operation's stall before: nothing was learnt that the others could outdate.
        if way is Way.STALL_AFTER and operation.kind != "stripe":
            continue
        yield way
