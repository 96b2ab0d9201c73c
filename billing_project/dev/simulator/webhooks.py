"""Webhooks: the ledger's events, signed and sent as Stripe does, and as badly as Stripe may.

At least once and in no order; how late, how often and how mixed up is scripted with the destination. Whatever
isn't answered with 2xx is sent again, a few times. `announce` may be called from any thread; `run` sends, in the
server's event loop, so a receiver that is slow or away holds up nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import aiohttp

# Stripe goes on for three days; here nobody waits that long.
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
ANSWER_SECONDS = 10.0
# A window that isn't full after this long is sent as it is, or the last events would never come.
WINDOW_SECONDS = 0.5
REMEMBERED_TRIES = 10_000


@dataclass(frozen=True, slots=True)
class Destination:
    """Where events go, and what befalls them on their way.

    `secret`: one, or two with a comma, as Stripe signs with both while one is replaced. `types`: those to send,
    None for all. `late`: seconds before the first try. `twice`: each is sent two times. `shuffle`: so many
    events are gathered and sent in another order. `lost`: share of events (0 to 1) that never come.
    """

    url: str
    secret: str
    types: list[str] | None = None
    late: float = 0.0
    twice: bool = False
    shuffle: int = 1
    lost: float = 0.0

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError("url is an http:// URL")
        if not self.secret.strip(" ,"):
            raise ValueError("webhooks are signed: a secret is needed")
        if self.late < 0 or self.shuffle < 1 or not 0 <= self.lost <= 1:
            raise ValueError("late is at least 0, shuffle at least 1, lost a share")


@dataclass(frozen=True, slots=True)
class Try:
    """One sending of one event. Status 0: no answer."""

    event: str
    type: str
    status: int


@dataclass(frozen=True, slots=True)
class _Sending:
    event: str
    type: str
    body: bytes
    to: Destination
    epoch: int
    tries: int = 0


class Webhooks:
    """The way of events to one destination."""

    def __init__(self, *, destination: Destination | None = None, seed: int | None = None) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(seed)  # noqa: S311 - only mixes up
        self._first = destination
        self._epoch = 0
        self._wake: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.reset()

    def reset(self) -> None:
        """Forget what is on its way and has been sent, and go back to the first destination."""
        with self._lock:
            self._epoch += 1
            self._under_way = 0
            self._waiting: deque[_Sending] = deque()
            self.tries: deque[Try] = deque(maxlen=REMEMBERED_TRIES)
            self.destination = self._first

    def point(self, destination: Destination | None) -> None:
        """Send what happens from now on there, or nowhere."""
        with self._lock:
            self.destination = destination

    def announce(self, event: dict[str, Any]) -> None:
        """Send an event, soon, if anybody wants it."""
        with self._lock:
            to = self.destination
            if to is None or (to.types is not None and event["type"] not in to.types):
                return
            if self._random.random() < to.lost:
                return
            # Indented, as Stripe's are: who verifies anything but these bytes is found out.
            body = json.dumps(event | {"pending_webhooks": 1}, indent=2).encode()
            sending = _Sending(event["id"], event["type"], body, to, self._epoch)
            copies = [sending] * (2 if to.twice else 1)
            self._waiting.extend(copies)
            self._under_way += len(copies)
        if self._wake is not None:
            loop, wake = self._wake
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(wake.set)

    def report(self) -> dict[str, Any]:
        """Return how many are still to arrive or be given up, and every try so far."""
        with self._lock:
            tries = [{"event": one.event, "type": one.type, "status": one.status} for one in self.tries]
            return {"under_way": self._under_way, "tries": tries}

    async def run(self) -> None:
        """Send until cancelled."""
        wake = asyncio.Event()
        self._wake = (asyncio.get_running_loop(), wake)
        wake.set()  # something may have happened before
        patience = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        try:
            # A connection for each: a kept one keeps a thread of the receiver waiting for more.
            connector = aiohttp.TCPConnector(force_close=True)
            async with aiohttp.ClientSession(timeout=patience, trust_env=False, connector=connector) as session:
                while True:
                    await wake.wait()
                    wake.clear()
                    if not self._window_is_full():
                        with suppress(TimeoutError):
                            await asyncio.wait_for(self._full_window(wake), WINDOW_SECONDS)
                    if batch := self._take():
                        self._start(self._send_in_turn(session, batch))
        finally:
            self._wake = None
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _window_is_full(self) -> bool:
        with self._lock:
            return not self._waiting or len(self._waiting) >= self._waiting[-1].to.shuffle

    async def _full_window(self, wake: asyncio.Event) -> None:
        while not self._window_is_full():
            await wake.wait()
            wake.clear()

    def _take(self) -> list[_Sending]:
        """Whatever waits, mixed up if that is wanted."""
        with self._lock:
            batch = list(self._waiting)
            self._waiting.clear()
            if batch and batch[-1].to.shuffle > 1:
                self._random.shuffle(batch)
            return batch

    def _start(self, sending: Any) -> None:
        task = asyncio.get_running_loop().create_task(sending)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send_in_turn(self, session: aiohttp.ClientSession, batch: list[_Sending]) -> None:
        await asyncio.sleep(batch[0].to.late)
        for sending in batch:
            await self._send(session, sending)

    async def _send(self, session: aiohttp.ClientSession, sending: _Sending) -> None:
        if sending.epoch != self._epoch:
            return
        status = await _post(session, sending)
        with self._lock:
            if sending.epoch != self._epoch:
                return
            self.tries.append(Try(sending.event, sending.type, status))
            again = not 200 <= status < 300 and sending.tries < len(PAUSES)
            self._under_way -= not again
        if again:
            self._start(self._send_later(session, sending))

    async def _send_later(self, session: aiohttp.ClientSession, sending: _Sending) -> None:
        await asyncio.sleep(PAUSES[sending.tries])
        await self._send(session, replace(sending, tries=sending.tries + 1))


def sign(body: bytes, *, secret: str, at: float) -> str:
    """Return Stripe's signature header for these bytes, with one v1 for each secret."""
    seconds = int(at)
    signatures = [
        hmac.new(one.strip().encode(), b"%d." % seconds + body, hashlib.sha256).hexdigest()
        for one in secret.split(",")
        if one.strip()
    ]
    return ",".join([f"t={seconds}", *(f"v1={signature}" for signature in signatures)])


async def _post(session: aiohttp.ClientSession, sending: _Sending) -> int:
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (simulator)",
        # By the wall clock: the receiver's isn't moved with the simulator's.
        "Stripe-Signature": sign(sending.body, secret=sending.to.secret, at=time.time()),
    }
    try:
        async with session.post(sending.to.url, data=sending.body, headers=headers, allow_redirects=False) as answer:
            await answer.read()
            return answer.status
    except (aiohttp.ClientError, OSError, TimeoutError):
        return 0
