"""The control endpoint over HTTP: which path is which method of `Control`."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from .control import Control

PREFIX = "/_control/"

ROUTES: dict[tuple[str, str], Callable[..., Any]] = {
    ("GET", "ledger"): Control.ledger,
    ("GET", "requests"): Control.requests,
    ("POST", "payment_methods"): Control.add_payment_method,
    ("POST", "latency"): Control.set_latency,
    ("POST", "clock"): Control.advance_clock,
    ("POST", "forget_keys"): Control.forget_keys,
    ("POST", "api_keys"): Control.set_api_key,
    ("POST", "resolve"): Control.resolve,
    ("POST", "faults"): Control.add_fault,
    ("GET", "faults"): Control.faults,
    ("DELETE", "faults"): Control.clear_faults,
    ("POST", "roll_forward"): Control.roll_forward,
    ("POST", "search_lag"): Control.set_search_lag,
    ("POST", "webhooks"): Control.set_webhooks,
    ("GET", "webhooks"): Control.webhooks,
    ("POST", "events"): Control.send_event,
    ("POST", "refunds"): Control.refund,
    ("POST", "resolve_refund"): Control.resolve_refund,
    ("POST", "set_refunds"): Control.set_refunds,
    ("POST", "disputes"): Control.dispute,
    ("POST", "resolve_dispute"): Control.resolve_dispute,
    ("POST", "foreign_payments"): Control.add_foreign_payment,
    ("POST", "reset"): Control.reset,
}


async def answer_control(control: Control, request: web.BaseRequest) -> web.Response:
    """Answer a request to `/_control/…`; 400 with a sentence for what cannot be."""
    name = request.path.removeprefix(PREFIX)
    method = ROUTES.get((request.method, name))
    if method is None:
        return web.json_response({"error": f"no {request.method} {PREFIX}{name}"}, status=404)
    try:
        fields: dict[str, Any] = dict(request.query)
        if request.method != "GET":
            fields = json.loads(await request.read() or "{}")
        arguments = inspect.signature(method).bind(control, **fields)
        return web.json_response(method(*arguments.args, **arguments.kwargs))
    except (ValueError, TypeError) as error:
        return web.json_response({"error": str(error)}, status=400)
