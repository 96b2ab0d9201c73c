"""An endpoint for webhooks that isn't the product's: keeps what comes and answers as it is told."""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import stripe

SECRET = "whsec_of_the_simulator"


class Receiver:
    """An endpoint of one's own: keeps what comes, and answers as told (200 when nothing is)."""

    def __init__(self) -> None:
        self.came: list[tuple[float, bytes, str]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.came.append((time.monotonic(), body, self.headers["Stripe-Signature"]))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Not to standard error."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def types(self) -> list[str]:
        """What came, in the order in which it came."""
        return [json.loads(body)["type"] for _, body, _ in self.came]

    def verify(self, came: tuple[float, bytes, str]) -> stripe.Event:
        """The event, once the SDK believes its signature."""
        event: stripe.Event = stripe.Webhook.construct_event(came[1], came[2], SECRET)
        return event
