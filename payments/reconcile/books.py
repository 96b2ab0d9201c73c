"""Stripe's books, read at the lowest priority: a token of its endpoint comes before each call.

Whatever isn't a clear answer ends the run, which goes on from its cursor later: half a list compared with our whole
one would find differences that aren't there.
"""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar

from payments import charging, limits
from payments.answers import Answer, Misconfigured, Page, Rejected, Unknown
from payments.gateway import LARGEST_PAGE, Gateway, Part
from payments.limits import Endpoint, Priority

T = TypeVar("T")

# Under a steady load of charges there may be no token for long: the run ends and goes on later.
LONGEST_WAIT_FOR_A_TOKEN = 60.0


class Interrupted(Exception):
    """The run can't go on now. The text is one line for the operator."""


_told_to_end = threading.Event()


def stop_reading() -> None:
    """This process is told to end: no books are read any further in it, which may take minutes; another one goes on."""
    _told_to_end.set()


class Books:
    """One account's books. `give_up_at`: no call is made after that, so that a task ends before its time-out."""

    def __init__(
        self,
        *,
        gateway: Gateway,
        clock: Callable[[], datetime],
        page_size: int = LARGEST_PAGE,
        give_up_at: datetime | None = None,
    ) -> None:
        self.gateway, self._clock, self._page_size, self._give_up_at = gateway, clock, page_size, give_up_at

    @property
    def is_time(self) -> bool:
        """Whether nothing is wrong, and it goes on later all the same."""
        return _told_to_end.is_set() or (self._give_up_at is not None and self._clock() > self._give_up_at)

    def account(self) -> str:
        """The account whose books these are; empty where the key may not read it."""
        if not self.gateway.account:
            self.ask(endpoint=Endpoint.ACCOUNT, call=self.gateway.ask_account, may_be_refused=True)
        return self.gateway.account

    def ask(self, *, endpoint: Endpoint, call: Callable[[], T | Answer], may_be_refused: bool = False) -> T | Answer:
        """Make one call. Raises `Interrupted` where its answer says nothing about what was asked for."""
        may_go = not self.is_time and limits.wait_for(
            endpoint=endpoint, priority=Priority.RECONCILE, seconds=LONGEST_WAIT_FOR_A_TOKEN, until=lambda: self.is_time
        )
        if self.is_time:
            if may_go:
                limits.give_back(calls=[endpoint])
            raise Interrupted("its time is up: it goes on with the next run")
        if not may_go:
            raise Interrupted("charging needs all that Stripe's rate limit allows: try again when there is less to do")
        reply = call()
        charging.heed(endpoint=endpoint, reply=reply, now=self._clock())
        if isinstance(reply, Unknown):
            raise Interrupted(f"Stripe gave no answer ({reply.why}): try again when it does")
        if isinstance(reply, Misconfigured) and not may_be_refused:
            raise Interrupted(f"Stripe refuses our key ({reply.http_status}): check STRIPE_SECRET_KEY")
        return reply

    def pages(
        self,
        *,
        endpoint: Endpoint,
        call: Callable[[Part], Page[T] | Answer],
        from_at: datetime,
        until_at: datetime,
        after: str = "",
    ) -> Iterator[Page[T]]:
        """A list, newest first, page by page; from the object `after` on, where it was interrupted."""
        while True:
            part = Part(from_at=from_at, until_at=until_at, after=after, size=self._page_size)
            page = self.page(endpoint=endpoint, call=lambda part=part: call(part))  # type: ignore[misc]
            yield page
            after = page.last
            if not after:
                return

    def page(self, *, endpoint: Endpoint, call: Callable[[], Page[T] | Answer]) -> Page[T]:
        """One page. Raises `Interrupted` where Stripe gives none."""
        reply = self.ask(endpoint=endpoint, call=call)
        if isinstance(reply, Page):
            return reply
        code = reply.code if isinstance(reply, Rejected) else type(reply).__name__
        raise Interrupted(f"Stripe gives no list ({code})")
