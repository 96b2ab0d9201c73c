"""Rows as Prometheus reads them: each measure of `names`, in its text format.

Asked by whoever watches, also and most during an outage: a few dozen short questions, each with a limit, and all of
them with a time-out of the database's own. Where rows can't be read nothing is made up: `billing_ledger_up` is 0, and
the others are left out. Beside them stands what this process has asked of Stripe, which no row tells.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Count, Max, Sum
from django.utils.dateparse import parse_datetime
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from payments import counters
from payments.metrics import names
from payments.metrics.machinery import Machinery, look_at_machinery
from payments.metrics.names import Measure
from payments.metrics.standing import Standing, look_at_open
from payments.metrics.under_way import find_due, find_money_at_rest, oldest_parked, oldest_unknown
from payments.models import Break, CountedUntil, Heartbeat, HourlyCount, Job, Pause, Reconciliation, Webhook

log = structlog.get_logger(__name__)

CONTENT_TYPE = CONTENT_TYPE_LATEST
# Of one statement: whoever asks would not wait longer, and nobody else shall wait for it.
TIMEOUT = "2s"

Series = dict[tuple[str, ...], float]
Reading = dict[Measure, Series]


def expose(*, now: datetime) -> bytes:
    """All measures, as text. Raises nothing where the database is away."""
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = '{TIMEOUT}'")
            reading = read(now=now)
    except (OperationalError, InterfaceError) as error:
        log.warning("rows not read for prometheus", error=type(error).__name__, exc_info=error)
        reading = {names.UP: {(): 0.0}}
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(reading))
    for counted in (counters.STRIPE_ANSWERS, counters.STRIPE_SECONDS):
        registry.register(counted)
    return generate_latest(registry)


def read(*, now: datetime) -> Reading:
    """Each measure's series. Raises Django's database errors."""
    standing, machinery = look_at_open(now=now), look_at_machinery(now=now)
    found: Reading = {names.UP: {(): 1.0}}
    found |= _payments(now) | _standing(standing, now) | _machinery(machinery)
    return found | _books() | _webhooks()


class _Told(Collector):
    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        for measure in names.ALL:
            if measure in self._reading:
                family = GaugeMetricFamily(measure.name, measure.says, labels=measure.labels)
                for values, number in sorted(self._reading[measure].items()):
                    family.add_metric(values, number)
                yield family


def _payments(now: datetime) -> Reading:
    """How they go, and what is on its way."""
    hours = HourlyCount.objects.filter(hour__gte=now - timedelta(days=1)).order_by()
    kinds = hours.values("currency", "status", "fault").annotate(number=Sum("payments"))
    due, unknown = find_due(now=now), oldest_unknown()
    counted_at = CountedUntil.objects.values_list("counted_at", flat=True).first()
    return {
        names.PAYMENTS: {
            (currency, status, fault): float(number)
            for currency, status, fault, number in kinds.values_list("currency", "status", "fault", "number")
        },
        names.COUNTED_AT: _moment(counted_at),
        names.DUE: {(kind,): float(one.payments) for kind, one in due.items()},
        names.DUE_OLDEST: {(kind,): one.oldest.total_seconds() for kind, one in due.items()},
        names.UNKNOWN_OLDEST: _age(unknown, now),
        names.AT_REST: {key: float(amount) for key, amount in find_money_at_rest().items()},
    }


def _standing(standing: Standing, now: datetime) -> Reading:
    return {
        names.SLOW: _number(standing.slow),
        names.UNKNOWN: _number(standing.unknown),
        names.ATTENTION: {
            ("payment",): float(standing.payments_to_look_at), ("refund",): float(standing.refunds_to_look_at),
        },
        names.PARKED: {("conflict",): float(standing.conflicts), ("invalid",): float(standing.invalid)},
        names.PARKED_OLDEST: _age(oldest_parked(), now),
        names.BREAKS_OLDEST: _age(standing.oldest_break, now),
        names.DISPUTES: _number(standing.disputes),
        names.ANSWER_BY: _moment(standing.next_answer_by),
    }  # fmt: skip


def _machinery(machinery: Machinery) -> Reading:
    paused = {pause.cause for pause in machinery.pauses}
    found: Reading = {
        names.OUTBOX: _number(machinery.outbox),
        names.OUTBOX_OLDEST: _number(machinery.outbox_age.total_seconds()),
        names.OUTBOX_REFUSED: _number(machinery.set_aside),
        names.PAUSED: {(cause,): float(cause in paused) for cause in Pause.Cause.values},
        names.PROCESSES: {(one.process,): float(len(one.there)) for one in machinery.running},
        names.PROCESS_SEEN_AT: {
            (one.process,): one.seen_at.timestamp() for one in machinery.running if one.seen_at is not None
        },
        names.JOBS: _number(Job.objects.filter(state=Job.State.RUNNING).count()),
        names.REDIS_UP: _number(machinery.redis is not None),
    }
    if machinery.redis is not None:
        found[names.QUEUED] = {(queue,): float(length) for queue, length in machinery.redis.queued.items()}
        found[names.RATE] = {(pace.endpoint,): pace.rate for pace in machinery.redis.paces}
        found[names.USED] = {(pace.endpoint,): pace.used for pace in machinery.redis.paces}
    return found


def _books() -> Reading:
    open_ones = Break.objects.filter(closed_at__isnull=True).order_by()
    kinds = dict(open_ones.values("kind").annotate(number=Count("*")).values_list("kind", "number"))
    # The newest of a few: one that was interrupted has no end yet.
    lately = Reconciliation.objects.order_by("-id")[:50]
    ended_at = Reconciliation.objects.filter(id__in=[one.id for one in lately]).aggregate(last=Max("ended_at"))["last"]
    return {
        names.BREAKS: {(kind,): float(kinds.get(kind, 0)) for kind in Break.Kind.values},
        names.RECONCILED_AT: _moment(ended_at),
    }


def _webhooks() -> Reading:
    received_at = Webhook.objects.order_by("-id").values_list("received_at", flat=True).first()
    told: list[Mapping[str, Any]] = list(Heartbeat.objects.filter(process="web").values_list("facts", flat=True))
    refused = [parse_datetime(str(facts["refused_at"])) for facts in told if "refused_at" in facts]
    return {
        names.WEBHOOK_AT: _moment(received_at),
        names.REFUSED_AT: _moment(max((at for at in refused if at), default=None)),
    }


def _number(value: float) -> Series:
    return {(): float(value)}


def _age(since: datetime | None, now: datetime) -> Series:
    """0 without any."""
    return {(): (now - since).total_seconds() if since else 0.0}


def _moment(at: datetime | None) -> Series:
    """No series for what never was: 1970 would be an alarm of its own."""
    return {(): at.timestamp()} if at else {}
