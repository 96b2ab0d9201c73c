"""The simulator in a thread, for tests: a real HTTP server with its own event loop.

with Simulator() as stripe:
    client = StripeClient("sk_test_x", base_addresses={"api": stripe.url})
    assert stripe.ledger.twice_charged() == {}
"""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import TracebackType

from .control import Control
from .ledger import Ledger
from .server import serve
from .world import NO_LATENCY, Latency, World

START_SECONDS = 10.0


class Simulator:
    """Starts with the context and stops with it. `ledger` and `control` may be used from any thread.

    `seed` makes ids and slow answers repeat themselves; with a journal leave it alone, ids would too.
    `behind`: how many seconds ago its clock begins.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        latency: Latency = NO_LATENCY,
        journal: Path | None = None,
        seed: int | None = None,
        behind: float = 0.0,
    ) -> None:
        self._world = World(latency=latency, journal=journal, seed=seed, behind=behind)
        self._host = host
        self._port = port
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._work, name="stripe-simulator", daemon=True)
        self.url = ""
        self.control = Control(self._world)

    @property
    def ledger(self) -> Ledger:
        """What happened, for audits."""
        return self._world.ledger

    def start(self) -> Simulator:
        """Listen; `url` is known when this returns. Raises what kept it from listening."""
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise TimeoutError("the simulator did not start")
        if self._failure is not None:
            raise self._failure
        return self

    def stop(self) -> None:
        """Stop listening, reset held connections, and wait for the thread."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def __enter__(self) -> Simulator:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _work(self) -> None:
        try:
            asyncio.run(self._serve())
        except (OSError, ValueError) as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with serve(self._world, host=self._host, port=self._port) as self.url:
            self._ready.set()
            await self._stop.wait()
