"""Logs: one line per step, with ids, and nothing that could embarrass the company if it leaked.

Secrets and personal data must never get here. An allow-list holds that, not care at each call: a field that
is not in `ALLOWED` is dropped and its name is listed under `dropped`; of an exception only the type and the
lines of code are kept, as its message may quote data (PostgreSQL's do); of other libraries' messages the
arguments are kept only for loggers that are known to write none of ours.
"""

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

ALLOWED = frozenset({
    # what structlog and this module add
    "event", "level", "timestamp", "logger", "exception", "dropped",
    # who and what: ids and positions, never contents
    "payment", "subscription", "attempt", "record", "topic", "partition", "offset", "outbox", "task", "intent",
    "refund", "dispute", "job", "action",
    "request", "account", "group", "process", "trace",
    # what happened
    "state", "status", "verdict", "step", "outcome", "code", "fault", "kind", "why", "who", "error", "http_status",
    # how much and how long
    "count", "rung", "accepted", "duplicates", "parked", "known", "seconds", "pause", "due_at", "tries", "queued",
    "setting", "fix", "endpoint", "rate", "month",
})  # fmt: skip

# Loggers whose arguments are addresses, counts and task ids.
_TRUSTED = ("celery.worker.consumer", "celery.apps", "celery.redirected", "gunicorn.error", "kombu")
_PLACEHOLDER = re.compile(r"%(\(\w+\))?[-.\d]*[sdrfi]|\n")

Event = MutableMapping[str, Any]


def configure(*, log_format: str, level: str) -> None:
    """Send structlog's and everybody else's records to standard error. `auto` is pretty on a terminal."""
    pretty = log_format == "pretty" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _exception_without_its_message,
        _only_allowed,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(pad_event_to=28, exception_formatter=structlog.dev.plain_traceback)
        if pretty
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_foreign_without_arguments, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.raiseExceptions = False  # a bad format would print its arguments
    handler.addFilter(lambda record: not str(record.msg).startswith("Scheduler: Sending due task"))  # every second
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("urllib3", "stripe", "kafka", "celery.app.trace", "celery.worker.strategy", "asyncio", "axes"):
        # They say what our own steps already say, or quote arguments.
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for name in ("django.server", "gunicorn.error", "gunicorn.access"):
        # They would write past us, in formats of their own.
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


def _foreign_without_arguments(_: object, __: str, event: Event) -> Event:
    record: logging.LogRecord = event["_record"]
    event["logger"] = record.name
    if not record.name.startswith(_TRUSTED) or not isinstance(record.msg, str):
        event["event"] = _PLACEHOLDER.sub("…", record.msg) if isinstance(record.msg, str) else record.msg
        if isinstance(record.args, Mapping) and isinstance(record.args.get("name"), str):
            event["task"] = record.args["name"]
    if record.exc_info:
        event["exc_info"] = record.exc_info
    return event


def _exception_without_its_message(_: object, __: str, event: Event) -> Event:
    exc_info = event.pop("exc_info", None)
    if exc_info is True:
        exc_info = sys.exc_info()
    if isinstance(exc_info, BaseException):
        exc_info = (type(exc_info), exc_info, exc_info.__traceback__)
    if isinstance(exc_info, tuple) and exc_info[0] is not None:
        frames = traceback.extract_tb(exc_info[2])
        places = " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames[-8:]))
        event["exception"] = f"{exc_info[0].__module__}.{exc_info[0].__name__} at {places}"
        record = event.get("_record")
        if record is not None:
            record.exc_info = record.exc_text = None
    return event


def _only_allowed(_: object, __: str, event: Event) -> Event:
    dropped = sorted(key for key in event if key not in ALLOWED and not key.startswith("_"))
    for key in dropped:
        del event[key]
    for key, value in event.items():
        if not key.startswith("_") and not isinstance(value, str | int | float | None):
            # An object would be written as its text, and an exception's text may quote anything.
            event[key] = type(value).__name__
    if dropped:
        event["dropped"] = dropped
    return event
