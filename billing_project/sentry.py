"""Where errors go besides the log: to Sentry at SENTRY_DSN, if its SDK is installed.

The SDK is the extra `sentry` (`pip install '.[sentry]'`). Each event is made anew of what may stand in a log, and of
the lines of code; all else that the SDK has gathered (variables, requests, messages of exceptions) is left behind.
"""

import importlib.util
import logging
from collections.abc import Mapping
from typing import Any

from billing_project import logs

NOT_INSTALLED = (
    "SENTRY_DSN is set, but Sentry's SDK isn't installed: install the extra 'sentry' (pip install '.[sentry]'), or "
    "unset it"
)

# Of the event itself: what Sentry needs to take it, and who we are.
_KEPT = ("event_id", "timestamp", "platform", "level", "release", "environment", "server_name", "sdk")
# Of a frame: where in our code, and nothing of what it held.
_OF_FRAME = ("filename", "function", "module", "lineno", "in_app")


def set_up(*, dsn: str) -> None:
    """Send errors there, by a thread of the SDK's own. Raises `SystemExit` with one line."""
    if not dsn:
        return
    if importlib.util.find_spec("sentry_sdk") is None:
        raise SystemExit(NOT_INSTALLED)
    # The optional extra.
    import sentry_sdk
    from sentry_sdk.integrations.atexit import AtexitIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration

    sentry_sdk.init(
        dsn=dsn,
        # Whatever is wrong is logged as an error: by us, by Django, by Celery, or as the end of a process.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            LoggingIntegration(level=None, event_level=logging.ERROR),
            AtexitIntegration(callback=lambda pending, timeout: None),
        ],
        before_send=strip,
        before_send_transaction=lambda event, hint: None,
        before_breadcrumb=lambda crumb, hint: None,
        max_breadcrumbs=0,
        send_default_pii=False,
        include_local_variables=False,
        include_source_context=False,
        send_client_reports=False,
        auto_session_tracking=False,
    )


def strip(event: Any, hint: Mapping[str, Any]) -> Any:
    """The event that is sent in place of this one; None for what isn't of the log."""
    record: logging.LogRecord | None = hint.get("log_record")
    if record is None:
        return None
    # Ours come as fields, which logs.py has already been through.
    fields: Mapping[str, Any] = record.msg if isinstance(record.msg, dict) else {"event": logs.text_of(record)}
    told = {name: event[name] for name in _KEPT if name in event}
    told["logger"] = record.name
    told["message"] = str(fields.get("event", ""))
    told["tags"] = {
        name: str(value) for name, value in fields.items()
        if name in logs.ALLOWED and name not in ("event", "level", "timestamp", "logger", "exception", "dropped")
        and value is not None
    }  # fmt: skip
    if "exception" in fields:
        told["extra"] = {"exception": str(fields["exception"])}
    values = [_without_message(one) for one in (event.get("exception") or {}).get("values") or []]
    if values:
        told["exception"] = {"values": values}
    return told


def _without_message(exception: Mapping[str, Any]) -> dict[str, Any]:
    frames = (exception.get("stacktrace") or {}).get("frames") or []
    kept = [{name: frame[name] for name in _OF_FRAME if name in frame} for frame in frames]
    return {"type": exception.get("type"), "module": exception.get("module"), "stacktrace": {"frames": kept}}
