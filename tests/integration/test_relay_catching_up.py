"""A backlog: while Kafka takes one batch the one before is marked and the next is read, and no promise knows of it."""

from collections.abc import Sequence
from typing import Any

import pytest

from bridge import relay
from bridge.kafka import Fenced, Outgoing, Sink
from bridge.loop import Stop
from payments import outbox
from payments.models import OutboxMessage
from tests.integration.kafka_client import Neighbour, make_all_topics, name_topics, running
from tests.integration.relaying import opened, payment, put, tell, wait_until_told, waiting

pytestmark = pytest.mark.django_db(transaction=True)


class Crash(Exception):
    """As if the process had ended here."""


class Struck(Sink):
    """A relay's sink that something happens to at its third batch, `before` Kafka has it, or `after`."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[bytes | None]] = []

    def before(self) -> None:
        """Nothing of it is at Kafka."""

    def after(self) -> None:
        """Kafka has acknowledged it."""

    def publish(self, records: Sequence[Outgoing]) -> None:
        """As the real one."""
        self.batches.append([one.value for one in records])
        if len(self.batches) == 3:
            self.before()
        super().publish(records)
        if len(self.batches) == 3:
            self.after()


@pytest.fixture
def neighbour(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Neighbour:
    """Topics of one partition, without records; batches of ten."""
    monkeypatch.setattr(relay, "BATCH", 10)
    return make_all_topics(name_topics(settings), partitions=1)


def put_many(count: int) -> list[bytes]:
    """So many rows wait. Returns their values, in their order."""
    values = [b"%d" % number for number in range(count)]
    for value in values:
        put(value)
    return values


def marked() -> list[bytes]:
    """The values of the rows that are marked, in their order."""
    rows = OutboxMessage.objects.filter(published_at__isnull=False).order_by("id")
    return [bytes(row.value or b"") for row in rows]


def told(neighbour: Neighbour) -> list[bytes | None]:
    """What a reader of committed transactions sees."""
    return [one.value for one in neighbour.records(neighbour.notifications)]


def test_a_backlog_is_told_once_and_in_its_order(neighbour: Neighbour) -> None:
    """Batch by batch; what is less than a batch is left to `run_once`."""
    values = put_many(35)
    with opened() as ours:
        relay.catch_up(sink=ours, stop=Stop())
        assert told(neighbour) == marked() == values[:30]
        assert relay.run_once(sink=ours) == 5
    assert told(neighbour) == marked() == values


def test_the_order_of_each_payment_is_kept_over_batches(neighbour: Neighbour) -> None:
    """P4: "failed" must not come after the "success" that followed it."""
    payments = [payment(f"sub_{number}") for number in range(3)]
    for attempt in range(1, 15):
        for paid in payments:
            tell(paid, attempt=attempt)
    with running(process="relay", session=relay.session):
        wait_until_told()
    found: dict[bytes | None, list[str]] = {}
    for one in neighbour.records(neighbour.notifications):
        found.setdefault(one.key, []).append(dict(one.headers)["ce_id"].decode())
    rows = OutboxMessage.objects.order_by("id")
    assert found == {
        str(paid.id).encode(): [row.message_id for row in rows if row.payment_id == paid.id] for paid in payments
    }


def test_a_crash_before_kafka_has_a_batch_leaves_it_unmarked(neighbour: Neighbour) -> None:
    """P4: the batches before it are marked, as they were acknowledged; it and those behind it come again."""

    class Dies(Struck):
        def before(self) -> None:
            raise Crash

    values = put_many(50)
    with pytest.raises(Crash), opened(kind=Dies) as ours:
        relay.catch_up(sink=ours, stop=Stop())
    assert told(neighbour) == marked() == values[:20]


def test_a_crash_after_kafka_has_a_batch_tells_it_again(neighbour: Neighbour) -> None:
    """P4: a row is marked after its acknowledgement and never before, so it comes twice, with the same bytes."""

    class Dies(Struck):
        def after(self) -> None:
            raise Crash

    values = put_many(50)
    with pytest.raises(Crash), opened(kind=Dies) as ours:
        relay.catch_up(sink=ours, stop=Stop())
    assert (told(neighbour), marked()) == (values[:30], values[:20])
    with opened() as ours:
        relay.catch_up(sink=ours, stop=Stop())
    assert (told(neighbour), marked()) == (values[:30] + values[20:], values)


def test_nothing_is_marked_while_kafka_has_not_acknowledged_it(neighbour: Neighbour) -> None:
    """P4: whoever looks at the moment of the third batch's acknowledgement finds none of its rows marked."""
    seen: list[list[bytes]] = []

    class Looks(Struck):
        def after(self) -> None:
            from django.db import connection

            seen.append(marked())
            connection.close()  # this thread's own

    values = put_many(50)
    with opened(kind=Looks) as ours:
        relay.catch_up(sink=ours, stop=Stop())
    [then] = seen
    assert then in (values[:10], values[:20]), "the second batch may just be being marked"
    assert marked() == values


def test_who_is_fenced_in_a_backlog_delivers_nothing_more(neighbour: Neighbour) -> None:
    """A successor tells all that wasn't acknowledged, and nothing is missing or out of order."""

    class IsReplaced(Struck):
        def before(self) -> None:
            with opened():
                pass

    values = put_many(50)
    with pytest.raises(Fenced), opened(kind=IsReplaced) as ours:
        relay.catch_up(sink=ours, stop=Stop())
    assert told(neighbour) == marked() == values[:20]
    with opened() as successor:
        relay.catch_up(sink=successor, stop=Stop())
    assert told(neighbour) == marked() == values


def test_a_row_that_kafka_never_takes_is_set_aside_and_the_backlog_goes_on(neighbour: Neighbour) -> None:
    """Nothing behind it goes ahead of what stands before it."""
    values = put_many(25)
    bad = put(b"x" * 1_500_000)
    values += [bytes(put(b"behind %d" % number).value or b"") for number in range(24)]
    with opened() as ours:
        relay.catch_up(sink=ours, stop=Stop())
    assert told(neighbour) == marked() == values
    bad.refresh_from_db()
    assert (bad.published_at, bad.refused_at is not None) == (None, True)


def test_a_stop_ends_it_after_the_batch_in_hand(neighbour: Neighbour) -> None:
    """What Kafka has acknowledged is marked; the others wait for whoever comes."""
    stop = Stop()

    class IsStopped(Struck):
        def before(self) -> None:
            stop.set()

    values = put_many(50)
    with opened(kind=IsStopped) as ours:
        relay.catch_up(sink=ours, stop=stop)
    assert told(neighbour) == marked() == values[:30]


def test_what_is_on_its_way_is_passed_over_and_not_what_has_lower_ids(neighbour: Neighbour) -> None:
    """Ids are committed out of their order: a row with a lower one may come later, and must not be forgotten."""
    rows = [put(b"%d" % number).id for number in range(5)]
    assert [one.id for one in outbox.waiting(limit=10, on_their_way=rows[1:3])] == [rows[0], *rows[3:]]
    assert [one.id for one in outbox.waiting(limit=2, on_their_way=rows[1:3])] == [rows[0], rows[3]]


def test_long_values_are_read_few_at_a_time(neighbour: Neighbour) -> None:
    """Letters are up to 256 KB long: a batch of them must fit into memory. One comes in any case."""
    rows = [put(value).id for value in (b"x" * 900, b"x" * 900, b"x" * 5_000, b"1", b"2")]
    assert [one.id for one in outbox.waiting(limit=10, size=1_000)] == rows[:2]
    OutboxMessage.objects.filter(id__in=rows[:2]).delete()
    assert [one.id for one in outbox.waiting(limit=10, size=1_000)] == rows[2:3]
    with opened() as ours:
        while relay.run_once(sink=ours):
            pass
    assert waiting() == 0
