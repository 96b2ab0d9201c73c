"""A network between any two parts, of which the harness has the cables: each link is a TCP proxy.

A link may be cut (nothing passes, and nobody is told), slow, resetting, or end connections in the middle of an answer.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

CHUNK = 65_536
# An answer is cut after so many bytes of it.
HALF_AN_ANSWER = 7


class Link:
    """One way from a part to another. What is set here holds from the next bytes on; any thread may set it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0
        self.target = ("127.0.0.1", 0)
        self.delay = 0.0
        """Seconds that each piece takes, in both directions."""
        self.is_cut = False
        self.resets = False
        self.truncates = False
        self.cuts_at: bytes | None = None
        """A word of the client's with which the connection ends."""
        self.cut_word_arrives = True
        """Whether that word still gets through, and only its answer never comes."""
        self.times_cut = 0
        self.times_met = 0
        """How often something that is set here has met a piece of a conversation, or a connection."""
        self.met_before = 0
        """The same, when the present fault began: two never strike the same link at once."""
        self.open: set[asyncio.StreamWriter] = set()

    def aim(self, address: str) -> None:
        """`host:port` of the other end."""
        host, _, port = address.rpartition(":")
        self.target = (host, int(port))

    def heal(self) -> None:
        """As if nothing had been."""
        self.delay, self.is_cut, self.resets, self.truncates, self.cuts_at = 0.0, False, False, False, None


@contextmanager
def slowed(*links: Link, by: float) -> Iterator[None]:
    """Each piece takes so many seconds more, on top of what others have it take."""
    for link in links:
        link.delay += by
    try:
        yield
    finally:
        for link in links:
            link.delay = max(0.0, round(link.delay - by, 6))


class Network:
    """All links, in a thread of their own from `with` on."""

    def __init__(self, *names: str) -> None:
        self.links = {name: Link(name) for name in names}
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)

    def __getitem__(self, name: str) -> Link:
        return self.links[name]

    def reset(self, link: Link) -> None:
        """End its connections now, as a machine that was started anew does."""
        self._loop.call_soon_threadsafe(_abort_all, link)

    def __enter__(self) -> Self:
        self._thread.start()
        for link in self.links.values():
            asyncio.run_coroutine_threadsafe(self._serve(link), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self, link: Link) -> None:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError, asyncio.CancelledError):
                await _carry(link, reader, writer)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self._servers.append(server)
        link.port = server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def _carry(link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, to its end."""
    link.open.add(writer)
    try:
        if link.resets:
            link.times_met += 1
            _abort(writer)
            return
        await _while_cut(link)
        there, back = await asyncio.open_connection(*link.target)
        link.open.add(back)
        ways = [
            asyncio.ensure_future(_pass_on(link, reader, back, asks=True)),
            asyncio.ensure_future(_pass_on(link, there, writer, asks=False)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            link.open.discard(back)
            back.close()
    finally:
        link.open.discard(writer)
        writer.close()


async def _pass_on(link: Link, source: asyncio.StreamReader, to: asyncio.StreamWriter, *, asks: bool) -> None:
    """One direction, until it ends."""
    while data := await source.read(CHUNK):
        await _while_cut(link)
        if link.delay:
            link.times_met += 1
            await asyncio.sleep(link.delay)
        if link.resets:
            link.times_met += 1
            return _abort(to)
        if link.truncates and not asks:
            link.times_met += 1
            to.write(data[:HALF_AN_ANSWER])
            await to.drain()
            return None
        at_word = asks and link.cuts_at is not None and link.cuts_at in data
        if not at_word or link.cut_word_arrives:
            to.write(data)
            await to.drain()
        if at_word:
            link.times_cut += 1
            return None
    return None


async def _while_cut(link: Link) -> None:
    link.times_met += link.is_cut
    while link.is_cut:
        await asyncio.sleep(0.05)


def _abort_all(link: Link) -> None:
    link.times_met += len(link.open)
    for writer in list(link.open):
        _abort(writer)


def _abort(writer: asyncio.StreamWriter) -> None:
    """With a reset."""
    made: socket.socket | None = writer.get_extra_info("socket")
    if made is not None:
        with suppress(OSError):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
