"""Where spans go: to the collector at OTEL_EXPORTER_OTLP_ENDPOINT, if OpenTelemetry's SDK is installed.

The SDK is the extra `tracing` (`pip install '.[tracing]'`); the other variables that it reads (OTEL_SERVICE_NAME,
OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS, …) are its own.
"""

import importlib.util

from opentelemetry import trace

NOT_INSTALLED = (
    "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry's SDK isn't installed: install the extra 'tracing' "
    "(pip install '.[tracing]'), or unset it"
)


def set_up(*, endpoint: str) -> None:
    """Send spans to this collector, in batches, by a thread of their own. Raises `SystemExit` with one line."""
    if not endpoint:
        return
    if importlib.util.find_spec("opentelemetry.sdk") is None:
        raise SystemExit(NOT_INSTALLED)
    # The optional extra.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource({SERVICE_NAME: "billing-payments"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + "/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
