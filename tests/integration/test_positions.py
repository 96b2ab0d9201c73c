"""A database that has forgotten records: charging stops, and they are read again; nothing is charged meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from bridge.consumer import Bridge, run_once
from bridge.kafka import KafkaAway, Source, Where
from bridge.loop import Stop
from bridge.positions import Positions
from payments import charging, intake
from payments.gateway import Gateway
from payments.models import InboxMessage, Pause, Payment, Position, Subscription, Transition
from tests.conftest import Clock
from tests.integration.books import no_guards
from tests.integration.bridge_member import events
from tests.integration.events import accept, event, record
from tests.integration.kafka_client import Neighbour, lines, make_all_topics, name_topics, running, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def neighbour(settings: Any) -> Neighbour:
    """Topics of two partitions, without records, and a group that has never read."""
    return make_all_topics(name_topics(settings), partitions=2)


def positions() -> dict[int, int]:
    """By partition."""
    return dict(Position.objects.values_list("partition", "next_offset"))


def forget(*, partition: int, since: int) -> None:
    """As a backup that was made before those records were taken in, put back."""
    with no_guards(), connection.cursor() as cursor:
        lost = InboxMessage.objects.filter(partition=partition, offset__gte=since)
        payments = list(lost.values_list("payment_id", flat=True))
        names = list(lost.values_list("subscription_id", flat=True))
        lost.delete()
        cursor.execute("DELETE FROM payments_transition WHERE payment_id = ANY(%s)", [payments])
        cursor.execute("DELETE FROM payments_payment WHERE id = ANY(%s)", [payments])
        Subscription.objects.filter(id__in=names).delete()
        Position.objects.filter(partition=partition).update(next_offset=since)


def run_bridge(neighbour: Neighbour, *, payments: int, start_from: Where | None = None) -> None:
    """Until there are so many payments and nothing is left to read."""
    ends = {place: len(neighbour.records(neighbour.payments)) for place in ("all",)}

    def at_rest() -> bool:
        return Payment.objects.count() == payments and sum(neighbour.committed().values()) == ends["all"]

    with running(process="bridge", session=Bridge(start_from=start_from).session):
        wait_until(at_rest, what=f"{payments} payments are here and all is read")


def test_positions_are_written_with_the_rows(clock: Clock) -> None:
    """One more than the highest offset, never backward, by partition; a batch that is refused moves nothing."""
    accept(record(event("a"), at=clock(), offset=4), record(event("b"), at=clock(), offset=7), now=clock())
    accept(record(event("c"), at=clock(), offset=2), record(event("d"), at=clock(), offset=0, partition=1), now=clock())
    assert positions() == {0: 8, 1: 1}
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payments_position RENAME COLUMN next_offset TO gone")
        try:
            with pytest.raises(Exception, match="next_offset"):
                accept(record(event("e"), at=clock(), offset=9), now=clock())
        finally:
            cursor.execute("ALTER TABLE payments_position RENAME COLUMN gone TO next_offset")
    assert not Payment.objects.filter(subscription_id="e").exists()


def test_where_reading_began_is_kept(clock: Clock) -> None:
    """Only records from before it move it, as after a rewind; where an older version has not noted it, nothing does."""
    topic = intake.Topic("test", "payment.createInitial")
    intake.begin(topic=topic, offsets={0: 4, 1: 7}, now=clock())
    Position.objects.filter(partition=1).update(first_offset=None)
    accept(record(event("a"), at=clock(), offset=9), record(event("b"), at=clock(), offset=9, partition=1), now=clock())
    intake.begin(topic=topic, offsets={0: 8}, now=clock())
    assert dict(Position.objects.values_list("partition", "first_offset")) == {0: 4, 1: None}
    accept(record(event("c"), at=clock(), offset=2), record(event("d"), at=clock(), offset=2, partition=1), now=clock())
    assert dict(Position.objects.values_list("partition", "first_offset")) == {0: 2, 1: None}
    assert positions() == {0: 10, 1: 10}


@pytest.mark.parametrize("start_from", ["earliest", "latest"])
def test_a_new_group_has_forgotten_nothing(neighbour: Neighbour, start_from: Where) -> None:
    """It begins where it is told; what is before that was never to be taken in."""
    neighbour.send(events("old"), partition=0)
    read = 1 if start_from == "earliest" else 0
    run_bridge(neighbour, payments=read, start_from=start_from)
    run_bridge(neighbour, payments=read)
    assert not charging.is_paused()
    assert positions() == {0: 1, 1: 0}


def test_a_partition_that_was_added_has_forgotten_nothing(neighbour: Neighbour) -> None:
    """Its beginning is noted before it is read."""
    run_bridge(neighbour, payments=0, start_from="earliest")
    neighbour.add_partition(2)
    neighbour.send(events("sub_1"), partition=2)
    run_bridge(neighbour, payments=1)
    assert not charging.is_paused()
    assert positions() == {0: 0, 1: 0, 2: 1}


def test_a_restored_database_stops_charging_and_is_given_the_lost_records_again(
    neighbour: Neighbour, gateway_: Gateway, clock: Clock
) -> None:
    """P1, P2: the reason says what to do; the records of the other partition aren't read again."""
    neighbour.send(events("a", "b", "c"), partition=0)
    neighbour.send(events("d"), partition=1)
    run_bridge(neighbour, payments=4, start_from="earliest")
    forget(partition=0, since=1)
    assert Payment.objects.count() == 2
    run_bridge(neighbour, payments=4)
    [pause] = Pause.objects.filter(ended_at__isnull=True)
    assert (pause.cause, pause.began_by) == ("restored", "bridge")
    assert f"{neighbour.payments}[0] was read up to 3, its rows end at 1: it is read again." in pause.reason
    assert "manage.py reconcile --adopt --from" in pause.reason
    assert f"{neighbour.payments}[1]" not in pause.reason
    rows = InboxMessage.objects.order_by("partition", "offset").values_list("partition", "offset", "verdict")
    assert list(rows) == [(0, 0, "accepted"), (0, 1, "accepted"), (0, 2, "accepted"), (1, 0, "accepted")]
    assert positions() == {0: 3, 1: 1}
    assert (
        charging.charge(payment_ids=list(Payment.objects.values_list("id", flat=True)), gateway=gateway_, clock=clock)
        == 0
    )


@pytest.fixture
def gateway_(stripe_gateway: Gateway) -> Gateway:
    """The product's own gateway."""
    return stripe_gateway


def test_a_database_without_any_row_stops_charging_and_reads_no_history(neighbour: Neighbour) -> None:
    """Is it the right one? What is in the topic may be history that another service has charged."""
    neighbour.send(events("a", "b"), partition=0)
    run_bridge(neighbour, payments=2, start_from="earliest")
    with no_guards():
        for model in (InboxMessage, Transition, Payment, Subscription, Position):
            model.objects.all()._raw_delete("default")
    neighbour.send(events("c"), partition=0)
    run_bridge(neighbour, payments=1)
    [pause] = Pause.objects.filter(ended_at__isnull=True)
    assert "was read up to 2 and has no row here: is this the right database?" in pause.reason
    Pause.objects.update(ended_at=pause.began_at)
    run_bridge(neighbour, payments=1)
    assert not charging.is_paused(), "it is said once"


def test_what_kafka_has_deleted_meanwhile_is_told_as_lost(neighbour: Neighbour) -> None:
    """P2 can't be kept then; the bridge goes on with what there is, and doesn't begin again for ever."""
    neighbour.send(events("a", "b", "c", "d"), partition=0)
    run_bridge(neighbour, payments=4, start_from="earliest")
    forget(partition=0, since=1)
    neighbour.delete_records(partition=0, before=3)
    with running(process="bridge", session=Bridge(start_from=None).session):
        wait_until(lambda: Payment.objects.count() == 2, what="the last record is here again")
    assert "Kafka has deleted its records before 3: they are lost here." in Pause.objects.get().reason
    assert positions()[0] == 4


def test_rows_that_are_forgotten_under_a_running_bridge_are_noticed_with_the_next_batch(
    neighbour: Neighbour, caplog: pytest.LogCaptureFixture
) -> None:
    """A failover that no connection of ours has felt: the gap isn't papered over by the rows that follow."""
    neighbour.send(events("a", "b"), partition=0)
    with running(process="bridge", session=Bridge(start_from="earliest").session):
        wait_until(lambda: Payment.objects.count() == 2, what="both are here")
        wait_until(lambda: neighbour.committed().get(0) == 2, what="their offsets are committed")
        forget(partition=0, since=1)
        neighbour.send(events("c"), partition=0)
        wait_until(lambda: Payment.objects.count() == 3, what="all are here")
    assert charging.is_paused()
    assert "the database has forgotten records" in lines(caplog, "waiting")[0]["why"]


def test_nothing_of_a_batch_is_written_where_rows_are_forgotten(clock: Clock) -> None:
    """Not even of partitions that have forgotten nothing: all of it is read again."""
    accept(record(event("a"), at=clock(), offset=4), now=clock())
    batch = [record(event("b"), at=clock(), offset=9), record(event("c"), at=clock(), offset=0, partition=1)]
    with pytest.raises(intake.Behind) as behind:
        intake.accept(records=batch, group="g", now=clock(), floor={0: 8, 1: 0})
    [forgotten] = behind.value.forgotten
    assert (forgotten.partition, forgotten.committed, forgotten.next_offset) == (0, 8, 5)
    assert Payment.objects.count() == 1
    assert positions() == {0: 5}


def test_an_inbox_from_before_positions_were_kept_tells_them(clock: Clock) -> None:
    """An upgrade is no restore."""
    accept(record(event("a"), at=clock(), offset=4), now=clock())
    Position.objects.all().delete()
    known: dict[str, Any] = {"topic": intake.Topic("test", "payment.createInitial"), "now": clock()}
    assert intake.find_forgotten(committed={0: 5, 1: 0}, **known) == []
    assert positions() == {0: 5, 1: 0}
    Position.objects.all().delete()
    [forgotten] = intake.find_forgotten(committed={0: 6}, **known)
    assert forgotten.next_offset == 5


@contextmanager
def member(positions_: Positions) -> Iterator[Source]:
    """One that compares what it is assigned."""
    source = Source(ledger=positions_)
    try:
        source.open(start_from="earliest")
        yield source
    finally:
        source.close()


def test_charging_stops_before_a_record_is_read(neighbour: Neighbour) -> None:
    """At the assignment, and not with the next record, which may be hours away."""
    neighbour.send(events("a", "b"), partition=0)
    run_bridge(neighbour, payments=2, start_from="earliest")
    forget(partition=0, since=1)
    mine = Positions()
    with pytest.raises(KafkaAway), member(mine) as source:

        def noticed() -> bool:
            run_once(source=source, stop=Stop(), positions=mine)
            return False

        wait_until(noticed, what="it has noticed")
    assert charging.is_paused()
    assert neighbour.committed()[0] == 1
