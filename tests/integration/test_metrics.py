"""The dashboard's numbers: what is counted by the hour equals a plain GROUP BY, whatever happens to payments."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, connections, transaction
from django.db.models import Count, Sum
from django.db.models.functions import TruncHour

from billing_project.dev.simulator import Simulator
from payments import charging, limits, metrics
from payments.gateway import Gateway
from payments.metrics import Period
from payments.models import CountedUntil, HourlyCount, Payment, Transition
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.kafka_client import wait_until
from tests.integration.refunding import pay

KINDS = ("currency", "status", "fault", "code")


def counted() -> dict[tuple[object, ...], tuple[int, int]]:
    """What the counts say."""
    rows = HourlyCount.objects.values_list("hour", *KINDS, "payments", "amount")
    return {tuple(row[:5]): (row[5], int(row[6])) for row in rows}


def grouped() -> dict[tuple[object, ...], tuple[int, int]]:
    """What the payments say."""
    rows = (
        Payment.objects.annotate(hour=TruncHour("created_at", tzinfo=UTC)).values("hour", *KINDS)
        .annotate(payments=Count("*"), worth=Sum("amount")).values_list("hour", *KINDS, "payments", "worth")
    )  # fmt: skip
    return {tuple(row[:5]): (row[5], row[6]) for row in rows}


def count(clock: Clock) -> bool:
    """As beat has it counted, some seconds later."""
    clock.advance(seconds=10)
    return metrics.count_hours(clock=clock)


def charge_all(stripe_gateway: Gateway, clock: Clock) -> None:
    """Whatever is due."""
    ids = list(Payment.objects.filter(status="pending").values_list("id", flat=True))
    charging.charge(payment_ids=ids, gateway=stripe_gateway, clock=clock)


@pytest.mark.django_db
def test_the_counts_follow_each_payment_from_pending_to_failed_to_paid(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """An hour that is long over is counted again when one of its payments changes, and no other row is touched."""
    accept(record(event("sub_1", method="pm_card_chargeDeclined"), at=clock()), now=clock())
    accept(record(event("sub_2", currency="JPY", price=500), at=clock.advance(hours=1)), now=clock())
    assert count(clock)
    assert counted() == grouped()
    assert {kind[2] for kind in counted()} == {"pending"}
    charge_all(stripe_gateway, clock)
    assert count(clock)
    assert counted() == grouped()
    assert sorted(str(kind[2]) for kind in counted()) == ["failed", "success"]
    untouched = HourlyCount.objects.get(status="success").id
    accept(record(event("sub_1", method="pm_card_visa"), at=clock.advance(hours=30)), now=clock())
    charge_all(stripe_gateway, clock)
    assert count(clock)
    assert counted() == grouped()
    assert [kind[2] for kind in counted()] == ["success"] * 2
    assert HourlyCount.objects.filter(id=untouched).exists()


@pytest.mark.django_db
def test_nothing_is_counted_twice_within_seconds(clock: Clock) -> None:
    """Many workers get the task; the last count's time has to be over."""
    assert metrics.count_hours(clock=clock)
    assert not metrics.count_hours(clock=clock)
    clock.advance(seconds=5)
    assert metrics.count_hours(clock=clock)


@pytest.fixture
def late_writer(transactional_db: None) -> Iterator[ThreadPoolExecutor]:
    """Another connection."""
    with ThreadPoolExecutor(1) as threads:
        yield threads
        threads.submit(connections.close_all).result()


def test_a_change_that_is_committed_after_later_ones_is_counted(late_writer: ThreadPoolExecutor, clock: Clock) -> None:
    """Its line of history has a lower id than lines that were counted before it could be seen."""
    written, may_commit = threading.Event(), threading.Event()

    def write_and_wait() -> None:
        with transaction.atomic():
            accept(record(event("sub_slow"), at=clock()), now=clock())
            written.set()
            assert may_commit.wait(30)

    count(clock)
    slow = late_writer.submit(write_and_wait)
    assert written.wait(30)
    accept(record(event("sub_quick"), at=clock(), partition=1), now=clock())
    for _ in range(3):
        count(clock)
    assert sum(number for number, _ in counted().values()) == 1
    may_commit.set()
    slow.result(30)
    first, last = Transition.objects.order_by("id")
    assert (first.payment.subscription_id, last.payment.subscription_id) == ("sub_slow", "sub_quick")
    count(clock)
    assert counted() == grouped()
    assert sum(number for number, _ in counted().values()) == 2


def test_what_is_final_is_not_looked_at_again(transactional_db: None, clock: Clock) -> None:
    """Or each count would go through all of the history."""
    accept(record(event("sub_1"), at=clock()), now=clock())

    def all_is_final() -> bool:
        # A transaction of anybody's, in any database beside ours, keeps what is newer from being final.
        count(clock)
        return CountedUntil.objects.get().final_id == Transition.objects.latest("id").id

    wait_until(all_is_final, what="nothing is left to look at again")


def test_two_workers_count_one_after_the_other(late_writer: ThreadPoolExecutor, clock: Clock) -> None:
    """Whoever comes second leaves at once."""
    count(clock)
    clock.advance(seconds=10)
    with transaction.atomic():
        CountedUntil.objects.select_for_update().get()
        assert late_writer.submit(metrics.count_hours, clock=clock).result(30) is False


@pytest.mark.django_db
@pytest.mark.parametrize("period", list(Period))
def test_a_period_adds_up_to_its_payments(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, period: Period
) -> None:
    """By bar, by currency and by reason; what is older is left out."""
    for back, (subscription, changes) in enumerate(
        [("old", {}), ("sub_1", {}), ("sub_2", {"method": "pm_card_chargeDeclined"}), ("sub_3", {"currency": "USD"})]
    ):
        at = clock() - timedelta(days=40) if subscription == "old" else clock() - timedelta(minutes=5 * back)
        accept(record(event(subscription, **changes), at=at), now=clock())
    charge_all(stripe_gateway, clock)
    count(clock)
    over = metrics.look_back(period=period, now=clock(), zone=UTC)
    assert {status: over.count(status) for status in ("success", "failed", "pending")} == {
        "success": 2, "failed": 1, "pending": 0,
    }  # fmt: skip
    assert over.success_rate == pytest.approx(2 / 3)
    assert {one.currency: one.amount["success"] for one in over.volumes} == {"KZT": 10_000, "USD": 10_000}
    assert [(one.code, one.fault, one.payments) for one in over.declines] == [("generic_decline", "issuer", 1)]
    assert all(bar.until == following.since for bar, following in zip(over.bars, over.bars[1:], strict=False))
    listed = Payment.objects.filter(created_at__gte=over.since).values_list("status", flat=True)
    assert Counter(listed) == {"success": 2, "failed": 1}


@pytest.mark.django_db
def test_days_are_those_of_whoever_looks(clock: Clock) -> None:
    """At eight in the evening in UTC it is tomorrow in Almaty."""
    clock.now = datetime(2026, 1, 31, 20, 30, tzinfo=UTC)
    accept(record(event("sub_1"), at=clock()), now=clock())
    count(clock)
    bars = metrics.look_back(period=Period.WEEK, now=clock(), zone=ZoneInfo("Asia/Almaty")).bars
    assert [bar.total for bar in bars] == [0, 0, 0, 0, 0, 0, 1]
    assert bars[-1].since == datetime(2026, 1, 31, 19, tzinfo=UTC)


@pytest.mark.django_db
def test_what_is_open_is_counted_by_indexes_alone(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """At a million payments none of these may read the whole table."""
    pay(stripe_gateway, clock)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    wrapped: list[str] = []

    def explain(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        if sql.startswith("SELECT"):
            with connection.connection.cursor() as raw:
                raw.execute(f"EXPLAIN {sql}", params)
                wrapped.append("\n".join(row[0] for row in raw.fetchall()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        metrics.look_at_open(now=clock())
        metrics.look_at_machinery(now=clock())
        metrics.oldest_waiting()
    small = ("payments_pause", "payments_heartbeat")
    assert len(wrapped) >= 13
    for plan in wrapped:
        assert "Seq Scan" not in plan or any(table in plan for table in small), plan
    for index in ("payment_by_status", "attempt_one_open", "payment_attention", "inbox_by_verdict", "outbox_waiting",
                  "outbox_refused", "break_open", "dispute_open", "refund_attention"):  # fmt: skip
        assert any(index in plan for plan in wrapped), index


@pytest.mark.django_db
def test_the_rate_limit_shows_what_is_used_and_what_was_slowed(settings: object) -> None:
    """By endpoint, the slowed ones first; queues by name."""
    limits.connect_redis().flushdb()
    assert limits.read_gauges() == limits.Gauges(queued={"charge": 0, "backlog": 0, "sweep": 0}, paces=[])
    wish = limits.Wish(calls=frozenset({limits.Endpoint.CREATE}), priority=limits.Priority.LIVE)
    limits.take(wishes=[wish])
    limits.slow_down(endpoint=limits.Endpoint.CONFIRM)
    limits.connect_redis().rpush(limits.KEY_PREFIX + limits.CHARGE_QUEUE, "1", "2")
    found = limits.read_gauges()
    assert found is not None
    assert found.queued["charge"] == 2
    confirm, create = found.paces
    assert (confirm.endpoint, confirm.slowed, round(confirm.rate)) == ("confirm", True, 10)
    assert (create.endpoint, create.slowed, create.rate) == ("create", False, 20)
    assert create.used > 0.5
    limits.connect_redis().flushdb()
