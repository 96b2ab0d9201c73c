"""What Sentry is told: errors as they are logged, with their lines of code, and nothing of what they were about."""

import importlib.util
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from billing_project import sentry
from tests.e2e.collector import collecting

ROOT = Path(__file__).resolve().parents[2]
# Runs in a process of its own, as the SDK changes logging for everybody.
SCRIPT = """
import logging, threading
import structlog
EMAIL = "canary@example.kz"

def fail(card):
    raise ValueError(f"card {card} of {EMAIL}")

log = structlog.get_logger("payments")
log.info("quiet", payment="p-1")
log.error("told", payment="p-1", email=EMAIL, code="x")
for logger in (log, logging.getLogger("django.request")):
    try:
        fail("4242424242424242")
    except ValueError:
        logger.error("caught %s", EMAIL, exc_info=True, extra={"email": EMAIL})
thread = threading.Thread(target=fail, args=["4242424242424242"])
thread.start()
thread.join()
fail("4242424242424242")
"""


def reports(script: str, **env: str) -> tuple[list[dict[str, Any]], str, str]:
    """What came to the project at Sentry, all of it as text, and what the process wrote."""
    with collecting() as collector:
        done = subprocess.run(
            [sys.executable, "-m", "tests.placeholders", "manage.py", "shell", "--no-imports", "-c", script],
            cwd=ROOT, env=os.environ | {"SENTRY_DSN": f"http://key@{collector.host}/7", "LOG_FORMAT": "json"} | env,
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        bodies = collector.bodies("/api/7/envelope/")
    items = [json.loads(line) for body in bodies for line in body.splitlines()]
    return [item for item in items if "message" in item], b"".join(bodies).decode(), done.stderr


def test_errors_are_told_with_their_lines_of_code_and_nothing_else() -> None:
    """Ours, a library's, a thread's, and the one that ends the process, before it is gone."""
    found, text, written = reports(SCRIPT)
    assert sorted(one["message"] for one in found) == [
        "caught %s", "caught …", "ended by an error", "thread ended by an error", "told",
    ]  # fmt: skip
    for canary in ("canary", "4242424242424242", "quiet"):
        assert canary not in text
    told = next(one for one in found if one["message"] == "told")
    assert told["tags"] == {"payment": "p-1", "code": "x"}
    caught = next(one for one in found if one["message"] == "caught …")
    [exception] = caught["exception"]["values"]
    assert (exception["type"], "value" in exception) == ("ValueError", False)
    assert exception["stacktrace"]["frames"][-1]["function"] == "fail"
    assert {name for frame in exception["stacktrace"]["frames"] for name in frame} <= set(sentry._OF_FRAME)
    ended = next(one for one in found if one["message"] == "ended by an error")
    assert ended["extra"]["exception"].startswith("builtins.ValueError at <string>:")
    assert "Sentry is attempting" not in written


def test_what_is_kept_of_an_event_is_a_list() -> None:
    """Whatever the SDK gathers some day: requests, users, variables, breadcrumbs, environments."""
    event = {
        "event_id": "1", "level": "error", "user": {"email": "canary"}, "request": {"data": "canary"},
        "breadcrumbs": ["canary"], "extra": {"sys.argv": ["canary"]}, "modules": {}, "contexts": {"x": "canary"},
        "exception": {"values": [{"type": "KeyError", "value": "canary", "stacktrace": {"frames": [
            {"function": "f", "lineno": 1, "vars": {"card": "canary"}, "context_line": "canary"}]}}]},
    }  # fmt: skip
    record = logging.makeLogRecord({"name": "payments", "msg": {"event": "told", "payment": "p-1"}})
    assert "canary" not in json.dumps(sentry.strip(event, {"log_record": record}))
    assert sentry.strip(event, {}) is None, "what isn't logged isn't told"


def test_without_a_dsn_nothing_is_set_up_and_without_the_sdk_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK is an extra; whoever asks for it and lacks it is told, before anything runs."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    sentry.set_up(dsn="")
    with pytest.raises(SystemExit) as told:
        sentry.set_up(dsn="https://key@sentry.example/1")
    assert str(told.value) == sentry.NOT_INSTALLED
