"""One trace from the producer's record to Stripe and the notification, and spans of what is done for many at once."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_span_id, format_trace_id

from billing_project.dev.simulator import Simulator
from bridge import relay
from bridge.kafka import Sink
from payments import charging, tracing
from payments.gateway import Gateway
from payments.models import OutboxMessage, Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.kafka_client import make_all_topics, name_topics

pytestmark = pytest.mark.django_db

TRACES = [f"{number:032x}" for number in (0xA1, 0xA2)]
PARENTS = [f"00-{trace}-00f067aa0ba902b7-01" for trace in TRACES]


class Spans:
    """Those that have ended."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def named(self, name: str) -> list[ReadableSpan]:
        """In the order in which they ended."""
        return [one for one in self._exporter.get_finished_spans() if one.name == name]

    def only(self, name: str) -> ReadableSpan:
        """The one there is."""
        [one] = self.named(name)
        return one


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    """What a collector would get."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("payments"))
    yield Spans(exporter)
    provider.shutdown()


def trace_of(span: ReadableSpan) -> str:
    """The trace that a span is part of."""
    assert span.context is not None
    return format_trace_id(span.context.trace_id)


def linked(span: ReadableSpan) -> list[str]:
    """The traces that a span names."""
    return [format_trace_id(link.context.trace_id) for link in span.links]


def take_in(clock: Clock, *parents: str) -> list[Payment]:
    """One batch, a payment for each of these traceparents."""
    records = [
        record(event(f"sub_{number}", method="pm_1"), at=clock(), headers=(("traceparent", parent.encode()),))
        for number, parent in enumerate(parents)
    ]
    accept(*records, now=clock())
    return list(Payment.objects.order_by("subscription_id"))


def test_the_producers_trace_goes_on_to_stripe_and_to_the_notification(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, spans: Spans
) -> None:
    """Each call to Stripe is a span of it, in whatever thread it is made; Stripe's own records name it."""
    [payment] = take_in(clock, PARENTS[0])
    charging.charge(payment_ids=[payment.id], gateway=stripe_gateway, clock=clock)
    whole = spans.only("charge payment")
    assert whole.parent is not None
    assert (trace_of(whole), format_span_id(whole.parent.span_id)) == (TRACES[0], "00f067aa0ba902b7")
    for name in ("stripe payment_method", "stripe create", "stripe confirm"):
        call = spans.only(name)
        assert call.parent is not None
        assert (trace_of(call), call.parent.span_id) == (TRACES[0], whole.context and whole.context.span_id)
    [intent] = stripe.control.ledger()["payment_intents"]
    assert intent["metadata"]["traceparent"] == PARENTS[0]
    assert OutboxMessage.objects.get().headers["traceparent"] == PARENTS[0]


def test_what_is_done_for_many_names_the_traces_of_all(stripe_gateway: Gateway, clock: Clock, spans: Spans) -> None:
    """A batch and a message are spans of their own, as they have many parents; each payment names its message."""
    payments = take_in(clock, *PARENTS, "")
    assert linked(spans.only("accept")) == TRACES
    charging.charge(payment_ids=[one.id for one in payments], gateway=stripe_gateway, clock=clock)
    message = spans.only("charge")
    wholes = {trace_of(one): one for one in spans.named("charge payment")}
    assert set(wholes) == {*TRACES, trace_of(message)}, "without a trace of its own a payment is part of its message's"
    for trace in TRACES:
        assert linked(wholes[trace]) == [trace_of(message)]


def test_what_is_published_together_names_the_traces_of_all(
    stripe_gateway: Gateway, clock: Clock, spans: Spans, settings: Any
) -> None:
    """A batch of the relay has many parents, too."""
    make_all_topics(name_topics(settings), partitions=1)
    payments = take_in(clock, *PARENTS, "")
    charging.charge(payment_ids=[one.id for one in payments], gateway=stripe_gateway, clock=clock)
    with closing(Sink()) as sink:
        sink.open()
        assert relay.run_once(sink=sink) == 3
    assert sorted(linked(spans.only("publish"))) == TRACES


def test_without_a_trace_nothing_is_made_up(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """No header, no metadata; and without a collector all of it is nothing."""
    [payment] = take_in(clock, "")
    charging.charge(payment_ids=[payment.id], gateway=stripe_gateway, clock=clock)
    [intent] = stripe.control.ledger()["payment_intents"]
    assert "traceparent" not in intent["metadata"]
    assert "traceparent" not in OutboxMessage.objects.get().headers


def test_of_an_error_a_span_tells_its_type_alone(spans: Spans) -> None:
    """What it says may quote a row: OpenTelemetry would pass that on by itself."""
    with pytest.raises(ValueError, match="canary"), tracing.span("work"):
        raise ValueError("canary@example.kz")
    work = spans.only("work")
    assert (work.events, work.status.description, work.status.is_ok) == ((), "ValueError", False)
    assert "canary" not in work.to_json()


def test_no_span_says_who_the_customer_is(stripe_gateway: Gateway, clock: Clock, spans: Spans) -> None:
    """Collectors are read by many: ids of ours and counts, nothing that a customer has typed."""
    [payment] = take_in(clock, PARENTS[0])
    charging.charge(payment_ids=[payment.id], gateway=stripe_gateway, clock=clock)
    ended = [*spans.named("accept"), *spans.named("charge"), *spans.named("charge payment")]
    told = {value for span in ended for value in (span.attributes or {}).values()}
    assert told == {1, str(payment.id)}


@pytest.mark.parametrize(
    "traceparent",
    [
        PARENTS[0], "", "nonsense", PARENTS[0] + "-more", " " + PARENTS[0], "01" + PARENTS[0][2:],
        "ff" + PARENTS[0][2:],
        PARENTS[0].upper(), f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACES[0]}-{'0' * 16}-01",
        f"00-{TRACES[0]}-00f067aa0ba902b7-xy", PARENTS[0] + "\n",
    ],
)  # fmt: skip
def test_a_trace_is_named_in_the_log_as_the_standard_reads_it(traceparent: str) -> None:
    """The short way to what OpenTelemetry says of the same header."""
    found = tracing._context(traceparent)
    assert tracing.id_of(traceparent) == (format_trace_id(found.trace_id) if found.is_valid else None)
