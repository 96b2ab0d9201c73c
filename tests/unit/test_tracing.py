"""Where spans go, as an operator sets it up."""

import importlib.util
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from billing_project import tracing

ROOT = Path(__file__).resolve().parents[2]
SPAN = "from payments import tracing\nwith tracing.span('work'): pass"


@contextmanager
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Its address, and what was posted to it."""
    posted: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", posted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_spans_reach_the_collector_that_is_set_before_a_process_ends() -> None:
    """Also those of a command that takes no time."""
    with collector() as (url, posted):
        done = subprocess.run(
            [sys.executable, "-m", "tests.placeholders", "manage.py", "shell", "--no-imports", "-c", SPAN],
            cwd=ROOT,
            env=os.environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": url},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    [(path, body)] = posted
    assert path == "/v1/traces"
    assert b"work" in body
    assert b"billing-payments" in body


def test_a_collector_without_the_sdk_is_one_line_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK is an extra; whoever asks for it and lacks it is told, before anything runs."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as told:
        tracing.set_up(endpoint="http://collector:4318")
    assert str(told.value) == tracing.NOT_INSTALLED
    tracing.set_up(endpoint="")
