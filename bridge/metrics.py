"""The numbers of bridge and relay for Prometheus: every name there is, and the port on which they are read.

The loops write them and the thread that answers on the port only reads: a Consumer is touched from its own thread
alone. Nothing here holds anything of a customer: labels are topic, partition and verdict.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, start_http_server

# When a counter began: as many series again, which nobody reads.
disable_created_metrics()  # type: ignore[no-untyped-call]

# One for each process, so that the relay doesn't show a bridge that stands still.
BRIDGE = CollectorRegistry()
RELAY = CollectorRegistry()

_PLACE = ("topic", "partition")
# From a lone record on a quick database to the largest batch on a slow one.
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

RECORDS = Counter("billing_bridge_records_total", "Records with a row, by verdict.", ["verdict"], registry=BRIDGE)
BATCHES = Counter("billing_bridge_batches_total", "Batches whose rows are written.", registry=BRIDGE)
BATCH_SECONDS = Histogram(
    "billing_bridge_batch_seconds", "From taking a batch until its rows are written, waits for the database included.",
    buckets=_SECONDS, registry=BRIDGE,
)  # fmt: skip
BATCH_RECORDS = Histogram(
    "billing_bridge_batch_records", "Records of a batch.", buckets=(1, 10, 50, 100, 250, 500), registry=BRIDGE
)
LAG_RECORDS = Gauge("billing_bridge_lag_records", "Offsets between ours and the end.", _PLACE, registry=BRIDGE)
LAG_SECONDS = Gauge(
    "billing_bridge_lag_seconds", "How long the oldest unread record has been waiting; 0 at the end.", _PLACE,
    registry=BRIDGE,
)  # fmt: skip
RETENTION_LEFT = Gauge(
    "billing_bridge_retention_left_seconds", "Until Kafka deletes a record unread; +Inf where it won't.", _PLACE,
    registry=BRIDGE,
)  # fmt: skip
PROGRESS = Gauge(
    "billing_bridge_progress_timestamp_seconds", "When records were last written, or nothing was left to read.", _PLACE,
    registry=BRIDGE,
)  # fmt: skip
LOOKED = Gauge("billing_bridge_look_timestamp_seconds", "When Kafka last answered where its ends are.", registry=BRIDGE)
PARTITIONS = Gauge("billing_bridge_partitions", "Partitions that are this member's.", registry=BRIDGE)
ASSIGNMENTS = Counter("billing_bridge_assignments_total", "Times that partitions became ours.", registry=BRIDGE)
REVOCATIONS = Counter("billing_bridge_revocations_total", "Times that partitions were taken away.", registry=BRIDGE)
STALLS = Counter("billing_bridge_stalls_total", "Partitions that had records and brought none.", registry=BRIDGE)
BRIDGE_DATABASE_WAITS = Counter(
    "billing_bridge_database_waits_total", "Tries that the database did not answer.", registry=BRIDGE
)
BRIDGE_KAFKA_WAITS = Counter(
    "billing_bridge_kafka_waits_total", "Times that the bridge left Kafka to join again.", registry=BRIDGE
)

ACTIVE = Gauge("billing_relay_active", "1 for the active relay, 0 for one that stands by.", registry=RELAY)
OUTBOX_ROWS = Gauge("billing_relay_outbox_rows", "Records that wait to be published.", registry=RELAY)
OUTBOX_AGE = Gauge("billing_relay_outbox_oldest_seconds", "Age of the oldest of them; 0 without any.", registry=RELAY)
PUBLISHED = Counter("billing_relay_published_total", "Records that Kafka has acknowledged.", registry=RELAY)
REFUSED = Counter("billing_relay_refused_total", "Records that Kafka will never take, set aside.", registry=RELAY)
RELAY_DATABASE_WAITS = Counter(
    "billing_relay_database_waits_total", "Tries that the database did not answer.", registry=RELAY
)
RELAY_KAFKA_WAITS = Counter(
    "billing_relay_kafka_waits_total", "Times that Kafka did not answer the relay.", registry=RELAY
)


def count_batch(*, verdicts: Mapping[str, int], seconds: float) -> None:
    """A batch went the whole way."""
    for verdict, count in verdicts.items():
        RECORDS.labels(verdict).inc(count)
    BATCHES.inc()
    BATCH_RECORDS.observe(sum(verdicts.values()))
    BATCH_SECONDS.observe(seconds)


class SettingUnusable(Exception):
    """What is set can't be used on this machine. The text names the setting and the fix."""


@contextmanager
def served(registry: CollectorRegistry, *, port: int) -> Iterator[None]:
    """Answer `GET /metrics` on all addresses, as long as the block lasts. Raises `SettingUnusable`."""
    try:
        server, thread = start_http_server(port, registry=registry)
    except OSError as error:
        raise SettingUnusable(
            f"METRICS_PORT: port {port} can't be used ({error.strerror}): set it to a free one, as each process "
            "needs its own, or unset it"
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
