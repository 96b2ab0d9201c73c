"""A Stripe that costs next to nothing, in a process of its own: what a benchmark measures is the product beside it.

It makes PaymentIntents and confirms them, by two calls or by one, each answer after its time; it refuses nobody and
forgets nothing. For all else there is the simulator, whose rules are Stripe's.
"""

import asyncio
import functools
import itertools
import json
import multiprocessing
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast
from urllib.parse import parse_qsl

CARD = {"brand": "visa", "last4": "4242", "fingerprint": "fp_1"}
MADE = {"object": "payment_intent", "livemode": False, "created": 1_770_000_000, "latest_charge": None}


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Seconds until an answer; of a share of the calls it takes `slow`."""

    seconds: float
    slow: float = 2.0
    slow_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class StandIn:
    """Where it listens, and which process it is."""

    url: str
    pid: int

    def cpu(self) -> float:
        """Seconds of processor time that it has used."""
        return cpu_of(self.pid)


def cpu_of(pid: int) -> float:
    """Seconds of processor time that a process and those of its children that have ended have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(one) for one in fields[11:15]) / os.sysconf("SC_CLK_TCK")


@contextmanager
def stand_in(latency: Latency) -> Iterator[StandIn]:
    """While the block lasts."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve, args=[theirs, latency], daemon=True)
    process.start()
    try:
        yield StandIn(url=f"http://127.0.0.1:{ours.recv()}", pid=process.pid or 0)
    finally:
        process.terminate()
        process.join()


def _serve(told: Connection, latency: Latency) -> None:
    asyncio.run(_listen(told, latency))


async def _listen(told: Connection, latency: Latency) -> None:
    intents: dict[str, dict[str, object]] = {}
    numbers, dice = itertools.count(1), random.Random(1)  # noqa: S311 - not for secrets
    loop = asyncio.get_running_loop()
    protocol = functools.partial(_Connection, intents, numbers, dice, latency)
    server = await loop.create_server(protocol, "127.0.0.1", 0, backlog=1000)
    told.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


class _Connection(asyncio.Protocol):
    """One question at a time, as our client asks."""

    def __init__(
        self, intents: dict[str, dict[str, object]], numbers: Iterator[int], dice: random.Random, latency: Latency
    ) -> None:
        self._intents, self._numbers, self._dice, self._latency = intents, numbers, dice, latency
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has connected."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """A part of a question, or the whole."""
        self._read += data
        head, ended, body = self._read.partition(b"\r\n\r\n")
        if not ended:
            return
        lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        if lengths and len(body) < int(lengths[0].partition(b":")[2]):
            return
        self._read = b""
        path = head.split(b" ", 2)[1]
        answer = json.dumps(self._answer(path.decode().partition("?")[0], body.decode())).encode()
        is_slow = self._dice.random() < self._latency.slow_share
        asyncio.get_running_loop().call_later(
            self._latency.slow if is_slow else self._latency.seconds, self._write, answer
        )

    def _write(self, answer: bytes) -> None:
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nRequest-Id: req_1\r\nContent-Length: "
        self._transport.write(f"{head}{len(answer)}\r\n\r\n".encode() + answer)

    def _answer(self, path: str, body: str) -> dict[str, object]:
        match path.strip("/").split("/"):
            case ["v1", "account"]:
                return {"id": "acct_1", "object": "account"}
            case ["v1", _] if not body:
                return {"object": "list", "data": [], "has_more": False}
            case ["v1", "payment_intents"]:
                params = dict(parse_qsl(body))
                made = self._make(params)
                return self._confirm(str(made["id"])) if params.get("confirm") == "true" else made
            case ["v1", "payment_intents", intent, "confirm"]:
                return self._confirm(intent)
            case ["v1", "payment_intents", intent]:
                return self._intents[intent]
        raise ValueError(f"nobody was expected to ask for {path}")

    def _make(self, params: dict[str, str]) -> dict[str, object]:
        name = f"pi_{next(self._numbers)}"
        metadata = {key[9:-1]: value for key, value in params.items() if key.startswith("metadata[")}
        self._intents[name] = {
            **MADE, "id": name, "status": "requires_payment_method", "amount": int(params["amount"]),
            "currency": params["currency"], "metadata": metadata,
        }  # fmt: skip
        return self._intents[name]

    def _confirm(self, intent: str) -> dict[str, object]:
        charge = {
            "id": f"ch_{intent}", "object": "charge", "payment_method_details": {"card": CARD, "type": "card"},
        }  # fmt: skip
        self._intents[intent] |= {"status": "succeeded", "latest_charge": charge}
        return self._intents[intent]
