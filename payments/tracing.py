"""Traces: one story through the record, the task, Stripe and the notification, for whoever collects them.

The producer's `traceparent` is kept with the payment, goes to Stripe in the PaymentIntent's metadata, and on with
each notification. Spans are made through OpenTelemetry's API, which does nothing until its SDK is there
(`billing_project.tracing`). A span never holds personal data, and nothing here can fail what it describes.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

from opentelemetry import context, trace
from opentelemetry.trace import Link, Span, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_tracer = trace.get_tracer("payments")
_propagator = TraceContextTextMapPropagator()

# As nearly all are written, and read at a tenth of what the propagator costs.
_PLAIN = re.compile("00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

# A batch of 500 names as many traces as collectors take by default; the others have spans of their own anyway.
MOST_LINKS = 128


@contextmanager
def span(name: str, *, follows: Iterable[str] = (), **attributes: str | int) -> Iterator[None]:
    """Work for many at once; `follows` are the traceparents that it is done for, of which some may be empty."""
    found = filter(lambda one: one.is_valid, map(_context, dict.fromkeys(filter(None, follows))))
    links = [Link(one) for one in islice(found, MOST_LINKS)]
    with _ending_well_or_not(_tracer.start_span(name, links=links, attributes=attributes)):
        yield


def begin(name: str, *, traceparent: str, **attributes: str | int) -> Span:
    """The work for one, in the trace of its record; it goes on until `end()` is called on it, by any thread."""
    parent = trace.set_span_in_context(trace.NonRecordingSpan(_context(traceparent))) if traceparent else None
    doing = trace.get_current_span().get_span_context()
    links = [Link(doing)] if traceparent and doing.is_valid else []
    return _tracer.start_span(name, context=parent, links=links, attributes=attributes)


@contextmanager
def within(parent: Span, name: str) -> Iterator[None]:
    """A part of that work, perhaps in another thread."""
    if not parent.is_recording():  # nor would this be, and there are two to every payment
        yield
        return
    with _ending_well_or_not(_tracer.start_span(name, context=trace.set_span_in_context(parent, context.Context()))):
        yield


@contextmanager
def _ending_well_or_not(one: Span) -> Iterator[None]:
    """OpenTelemetry would keep an exception's message and its traceback, which may quote anything: only its type is."""
    with trace.use_span(one, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield
        except Exception as error:
            one.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def id_of(traceparent: str) -> str | None:
    """The trace that a record is part of, for a line of the log; None without one."""
    if plain := _PLAIN.fullmatch(traceparent):
        return plain[1]
    found = _context(traceparent)
    return trace.format_trace_id(found.trace_id) if found.is_valid else None


def task_of(task: str) -> dict[str, str]:
    """Celery's id of the task that it is done for, for a line of the log that another thread writes; or nothing."""
    return {"task": task} if task else {}


def _context(traceparent: str) -> trace.SpanContext:
    found = _propagator.extract({"traceparent": traceparent}, context=context.Context())
    return trace.get_current_span(found).get_span_context()
