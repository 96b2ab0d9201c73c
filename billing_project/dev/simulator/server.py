"""The HTTP side: reads a request, lets it be answered, and sends what comes, even if that is nothing.

Loopback only, unless without the control endpoint: whoever can reach that can rewrite history.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from .control import Control
from .control_http import PREFIX, answer_control
from .endpoints import find_endpoint
from .errors import StripeError
from .exchange import Answer, Exchange
from .faults import play
from .idempotency import fingerprint_of
from .parameters import decode
from .shapes import API_VERSION
from .traffic import Received
from .world import World

# Many workers connect at once when they start.
BACKLOG = 1024
# Held requests are let go first, so this is only for those that are being answered.
SHUTDOWN_SECONDS = 1.0
# SO_LINGER on with no time left: closing sends a reset.
LINGER_NOTHING = struct.pack("ii", 1, 0)


@asynccontextmanager
async def serve(world: World, *, host: str, port: int, control: bool = True) -> AsyncIterator[str]:
    """Listen while the context lasts, and yield the base URL. Port 0 takes any free one."""
    handler = _Handler(world, control=control)
    sender: asyncio.Task[None] | None = None
    runner = web.ServerRunner(web.Server(handler.handle, access_log=None), shutdown_timeout=SHUTDOWN_SECONDS)
    try:
        if control and not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"with its control endpoint the simulator listens on loopback only, not on {host}")
        await runner.setup()
        site = web.TCPSite(runner, host, port, backlog=BACKLOG)
        await site.start()
        sender = asyncio.create_task(world.webhooks.run())
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        handler.stopping.set()
        if sender is not None:
            sender.cancel()
            with suppress(asyncio.CancelledError):
                await sender
        await runner.cleanup()
        world.close()


class _Handler:
    def __init__(self, world: World, *, control: bool) -> None:
        self._world = world
        self._control = Control(world) if control else None
        self.stopping = asyncio.Event()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        if self._control is not None and path.startswith(PREFIX):
            return await answer_control(self._control, request)
        with self._world.ledger.lock:
            self._world.later.keep_due()
        form = (await request.read()).decode() if request.method == "POST" else query
        received = self._note(request, unquote(path))
        answer = await self._answer(request, received, parse_qsl(form, keep_blank_values=True))
        received.payment_intent = answer.subject or received.payment_intent
        received.replayed = answer.replayed
        with self._world.ledger.lock:
            self._world.traffic.close(received, status=0 if answer.cut else answer.status)
        return await _send(request, received, answer)

    def _note(self, request: web.BaseRequest, path: str) -> Received:
        ledger = self._world.ledger
        received = Received(
            request_id=ledger.new_id("req"),
            at=ledger.now(),
            method=request.method,
            path=path,
            params={},
            idempotency_key=(request.headers.get("Idempotency-Key") or None) if request.method == "POST" else None,
        )
        with ledger.lock:
            self._world.traffic.log.append(received)
        return received

    async def _answer(self, request: web.BaseRequest, received: Received, pairs: list[tuple[str, str]]) -> Answer:
        try:
            account = self._world.api_keys.account_of(request.headers.get("Authorization"))
            endpoint, subject = find_endpoint(received.method, received.path)
            received.endpoint = endpoint.name
            received.params = decode(pairs)
        except StripeError as error:
            return Answer.of_error(error)
        exchange = Exchange(
            world=self._world,
            received=received,
            endpoint=endpoint,
            subject=subject,
            account=account,
            fingerprint=fingerprint_of(received.method, received.path, pairs) if received.idempotency_key else "",
            gone=lambda: request.transport is None or request.transport.is_closing(),
            stopping=self.stopping,
        )
        with self._world.ledger.lock:
            fault = self._world.faults.take(exchange)
        received.payment_intent = exchange.about.payment_intent
        received.fault = fault.kind if fault else None
        return await play(fault, exchange)


async def _send(request: web.BaseRequest, received: Received, answer: Answer) -> web.StreamResponse:
    if answer.status == 0:
        _reset(request)
        return web.Response()
    headers = {
        "Content-Type": "application/json",
        "Request-Id": received.request_id,
        "Stripe-Version": request.headers.get("Stripe-Version", API_VERSION),
    }
    if received.idempotency_key:
        headers["Idempotency-Key"] = received.idempotency_key
        headers["Original-Request"] = answer.original_request or received.request_id
    if answer.replayed:
        headers["Idempotent-Replayed"] = "true"
    body = answer.body.encode()
    if answer.cut:
        return await _send_half(request, answer.status, headers, body)
    return web.Response(status=answer.status, headers=headers, body=body)


async def _send_half(request: web.BaseRequest, status: int, headers: dict[str, str], body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


def _reset(request: web.BaseRequest) -> None:
    transport = request.transport
    if transport is None:
        return
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOTHING)
    transport.abort()
