"""A process that logs whatever people and libraries log, in every way, and what it has written."""

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

# Runs in a process of its own, as configuring logs changes it for everybody. Every line logs one event; its
# first word says which.
SCRIPT = """
import enum, logging, sys, threading
import structlog
from billing_project import logs

for name in ("gunicorn.error", "gunicorn.access", "django.server"):
    logging.getLogger(name).addHandler(logging.StreamHandler(sys.stdout))
    logging.getLogger(name).propagate = False
logs.configure(log_format=sys.argv[1], level="INFO")
log = structlog.get_logger("payments")
CARD, EMAIL, KEY = "4242424242424242", "canary@example.kz", "sk_live_canary"

class Person:
    def __repr__(self):
        return EMAIL

class Code(enum.StrEnum):
    DECLINED = "declined"

def fail():
    raise ValueError(f"card {CARD} of {EMAIL}")

log.info("plain", payment="p-1", attempt=2, seconds=0.5)
log.info("each", why="w", each=[{"record": "r-1", "email": EMAIL}, {"record": "r-2", "verdict": Person()}])
log.info("fields", payment="p-1", email=EMAIL, card=CARD, key=KEY, headers={"authorization": KEY})
log.info("positional %s", CARD)
log.info("two\\nlines", why="a\\nb")
log.info("objects", payment=Person(), code=Code.DECLINED, why=ValueError(EMAIL), error={"card": CARD}, state=[CARD],
         status={KEY}, kind=KEY.encode(), account=Person)
log.info("values", payment="p-1", state=Code.DECLINED, count=3, seconds=0.5, known=True, due_at=None)
log.info(KeyError(KEY))
log.info(Person())
log.debug("too detailed", payment="p-1")
log.bind(email=EMAIL, payment="p-2").warning("bound")
with structlog.contextvars.bound_contextvars(email=EMAIL, trace="t-1"):
    log.info("context")
try:
    fail()
except ValueError as error:
    caught = error
    log.exception("caught", payment="p-1")
    log.error("told", exc_info=True)
    log.error("stack", stack_info=True)
    logging.getLogger("django.request").exception("foreign caught: %s", error)
log.error("given", exc_info=caught)
try:
    try:
        fail()
    except ValueError as error:
        raise KeyError(KEY) from error
except KeyError:
    log.exception("chained")
    logging.getLogger("somebody").error("foreign chained", exc_info=True, stack_info=True)
logging.getLogger("django.request").warning("foreign %s: %s", EMAIL, CARD)
logging.getLogger("celery.app.trace").error("foreign task %(args)s", {"args": CARD})
logging.getLogger("somebody").error("foreign extra", extra={"email": EMAIL, "card": CARD})
logging.getLogger("kombu.connection").warning("trusted %s", "host:6379")
logging.getLogger("somebody").error(caught)
logging.getLogger("somebody").error({"email": EMAIL})
logging.getLogger("somebody").error("misprinted %s", EMAIL, CARD)
logging.getLogger("kombu.connection").error("misprinted %d", CARD + EMAIL)
logging.getLogger("gunicorn.error").error("served %s", "/health")
logging.getLogger("gunicorn.error").error("searched %s", "/admin/?q=" + EMAIL)
logging.getLogger("celery.redirected").warning("Traceback: " + EMAIL)
logging.getLogger("celery.app.trace").error("failed %(args)s", {"args": CARD, "name": "payments.charge"})
thread = threading.Thread(target=fail)
thread.start()
thread.join()
logging.getLogger("gunicorn.access").warning("served to %s", EMAIL)
logging.getLogger("django.server").warning("served to staff %s", EMAIL)
logging.getLogger("stripe").info("too detailed %s", KEY)
logging.getLogger("somebody").debug("too detailed %s", KEY)
fail()
"""
EVENTS = (
    "plain each each fields positional two objects values KeyError Person bound context caught told stack foreign "
    "given chained foreign foreign foreign foreign trusted ValueError dict served searched something failed thread "
    "served served ended"
).split()


@functools.cache
def output(log_format: str) -> str:
    """All that the process wrote."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, log_format], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.returncode) == ("", 1)
    return done.stderr


def events() -> list[dict[str, Any]]:
    """The JSON lines, read."""
    return [json.loads(line) for line in output("json").splitlines()]


def event(start: str) -> dict[str, Any]:
    """The one whose text starts like this."""
    (found,) = [event for event in events() if event["event"].startswith(start)]
    return found
