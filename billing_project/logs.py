"""Logs: one line per step, with ids, and nothing that could embarrass the company if it leaked.

Secrets and personal data must never get here. An allow-list holds that, not care at each call: a field that
is not in `ALLOWED` is dropped and its name is listed under `dropped`; of an exception only the type and the
lines of code are kept, as its message may quote data (PostgreSQL's do); of other libraries' messages the
arguments are kept only for loggers that are known to write none of ours, and of those no query of an address. What a
library prints is not repeated. A process that ends by an error, or a thread, says so in one such line and no traceback.

The step of many things at once is said in one call: `log.info("judged", each=[{"record": …}, …])` writes a line for
each, at a tenth of what as many calls cost.
"""

import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Mapping, MutableMapping
from types import TracebackType
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
_TRUSTED = ("celery.worker.consumer", "celery.apps", "gunicorn.error", "kombu")
# What something in a worker printed: a traceback, as likely as not.
_PRINTED = "celery.redirected"
_SCALARS = (str, int, float, type(None))
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
        # First of all, as what nobody will see needn't be made.
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(pad_event_to=28, exception_formatter=structlog.dev.plain_traceback)
        if pretty
        else _as_json
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_foreign_without_arguments, *shared],
            pass_foreign_args=True,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _line_for_each(renderer)],
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
    sys.excepthook = _tell_end
    threading.excepthook = _tell_thread


def _tell_end(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """In place of Python's own report, which quotes what the exception says: for a person's eyes, and for no log."""
    if kind is SystemError and type(error.__cause__).__module__.startswith("psycopg2"):
        # The driver reports one of two errors that it has met at once, and raises the other: nothing ends by it.
        return
    if sys.stderr.isatty() or issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, where)
        return
    structlog.get_logger(__name__).critical("ended by an error", exc_info=(kind, error, where))


def _tell_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_type is not SystemExit and ended.exc_value is not None:
        told = (ended.exc_type, ended.exc_value, ended.exc_traceback)
        structlog.get_logger(__name__).error("thread ended by an error", exc_info=told)


def text_of(record: logging.LogRecord, *, whole: str = "") -> str:
    """What may be repeated of a library's message: its template, and for a few loggers the `whole` of it."""
    if not isinstance(record.msg, str):
        return type(record.msg).__name__
    if record.name == _PRINTED:
        return "something was printed"
    if not whole or not record.name.startswith(_TRUSTED):
        return _PLACEHOLDER.sub("…", record.msg)
    # Of an address everything behind the question mark may be what somebody searched for.
    return re.sub(r"\?\S*", "?…", whole)


def _foreign_without_arguments(_: object, __: str, event: Event) -> Event:
    record: logging.LogRecord = event["_record"]
    event["logger"] = record.name
    event["event"] = text_of(record, whole=event["event"])
    arguments = event.pop("positional_args", None)
    if record.name.startswith("celery.") and isinstance(arguments, Mapping) and isinstance(arguments.get("name"), str):
        event["kind"] = arguments["name"]  # which task it was, beside its id
    if isinstance(getattr(record, "status_code", None), int):
        event["http_status"] = record.status_code  # type: ignore[attr-defined]  # Django's answer to a request
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
    each: list[Event] = list(event.pop("each", ()))
    _strip(event)
    for one in each:
        _strip(one)
    if each:
        event["_each"] = each
    return event


def _strip(event: Event) -> None:
    dropped: list[str] = []
    if not ALLOWED.issuperset(event):
        dropped = sorted(key for key in event.keys() - ALLOWED if not key.startswith("_"))
    for key in dropped:
        del event[key]
    for key, value in event.items():
        if not isinstance(value, _SCALARS) and not key.startswith("_"):
            # An object would be written as its text, and an exception's text may quote anything.
            event[key] = type(value).__name__
    if dropped:
        event["dropped"] = dropped


def _line_for_each(renderer: structlog.types.Processor) -> structlog.types.Processor:
    def render(logger: Any, name: str, event: Event) -> Any:
        each = event.pop("_each", None)
        if each is None:
            return renderer(logger, name, event)
        return "\n".join(str(renderer(logger, name, {**event, **one})) for one in each)

    return render


def _as_json(_: object, __: str, event: Event) -> str:
    # Nothing but scalars is left, and names of what was dropped.
    return json.dumps(event)
