"""Lag and retention as the bridge tells them, with backlogs that are known on a real Kafka."""

import math
import time
from contextlib import closing, suppress
from datetime import timedelta
from typing import Any

import pytest
from confluent_kafka import Producer
from kafka.admin import ConfigResource

from bridge.kafka import Look, LookFailed, Looks, Source
from tests.integration.bridge_member import database_away, events, take
from tests.integration.kafka_client import Neighbour, lines, make_all_topics, name_topics, running, wait_until
from tests.integration.secured_kafka import enter, grant, secured_kafka
from tests.integration.watching import bridge, by_partition, look_often, number, watched_member

pytestmark = pytest.mark.django_db(transaction=True)

LAG = "billing_bridge_lag_records"
SECONDS = "billing_bridge_lag_seconds"
LEFT = "billing_bridge_retention_left_seconds"
PROGRESS = "billing_bridge_progress_timestamp_seconds"
LOOKED = "billing_bridge_look_timestamp_seconds"
HOUR = 3600.0
# Whose it is makes no difference to a lag.
[ONE] = events("sub_1")


@pytest.fixture
def neighbour(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Neighbour:
    """Topics of two partitions, and a bridge that looks often."""
    look_often(monkeypatch)
    return make_all_topics(name_topics(settings), partitions=2)


def ago(seconds: float) -> int:
    """A time as records have it."""
    return int((time.time() - seconds) * 1000)


def keep(neighbour: Neighbour, **values: str) -> None:
    """Set the topic of events' settings, underscores for dots."""
    with closing(neighbour.admin()) as admin:
        named = {name.replace("_", "."): value for name, value in values.items()}
        admin.alter_configs([ConfigResource("TOPIC", neighbour.payments, named)])


def see(source: Source, neighbour: Neighbour, name: str, values: dict[int, Any]) -> None:
    """Let the loop make its rounds until these are the numbers; it takes nothing meanwhile."""

    def are_shown() -> bool:
        source.wait_paused(seconds=0.05)
        return by_partition(neighbour, name) == values

    wait_until(are_shown, what=f"{name} is {values}, it is {by_partition(neighbour, name)}", within=10)


def look_again(source: Source) -> None:
    """Let the loop make its rounds until there is a new answer."""
    before = number(LOOKED)

    def is_new() -> bool:
        source.wait_paused(seconds=0.05)
        return number(LOOKED) != before

    wait_until(is_new, what="it looks again")


def test_the_lag_is_the_known_backlog(neighbour: Neighbour) -> None:
    """Records without rows, in hand or not, on each partition; what comes meanwhile is added."""
    neighbour.send([ONE] * 10, partition=0)
    neighbour.send([ONE] * 3, partition=1)
    with watched_member() as source:
        see(source, neighbour, LAG, {0: 10, 1: 3})
        source.resume()
        in_hand = take(source, records=13)
        see(source, neighbour, LAG, {0: 10, 1: 3})
        source.commit([record for record in in_hand if record.partition == 1 or record.offset < 4])
        see(source, neighbour, LAG, {0: 6, 1: 0})
        neighbour.send([ONE] * 5, partition=1)
        see(source, neighbour, LAG, {0: 6, 1: 5})


def test_the_lag_in_seconds_is_the_age_of_what_is_unread(neighbour: Neighbour) -> None:
    """An hour for one partition, half of it for the other, and nothing for one that is read."""
    neighbour.send([ONE], partition=0, timestamp=ago(HOUR))
    neighbour.send([ONE], partition=1, timestamp=ago(HOUR / 2))
    with watched_member() as source:
        in_hand = take(source, records=2)
        see(source, neighbour, SECONDS, {0: pytest.approx(HOUR, abs=10), 1: pytest.approx(HOUR / 2, abs=10)})
        source.commit([record for record in in_hand if record.partition == 0])
        see(source, neighbour, SECONDS, {0: 0, 1: pytest.approx(HOUR / 2, abs=10)})


def test_a_quiet_topic_that_gets_a_record_is_not_late(neighbour: Neighbour) -> None:
    """The last record was a day ago, but there has been nothing to read since."""
    neighbour.send([ONE], partition=0, timestamp=ago(24 * HOUR))
    with watched_member() as source:
        source.commit(take(source, records=1))
        see(source, neighbour, LAG, {0: 0, 1: 0})
        neighbour.send([ONE], partition=0)
        see(source, neighbour, LAG, {0: 1, 1: 0})
        assert 0 <= by_partition(neighbour, SECONDS)[0] < 10


def test_behind_a_transaction_all_is_read(neighbour: Neighbour) -> None:
    """Its mark takes an offset; of an aborted one nothing is read, and of an open one nothing can be."""
    producer = Producer({"bootstrap.servers": neighbour.broker, "transactional.id": neighbour.group})
    producer.init_transactions(10)

    def produce() -> None:
        producer.begin_transaction()
        producer.produce(neighbour.payments, ONE, partition=0)
        producer.flush(10)

    with running(process="bridge", session=bridge().session):
        produce()
        producer.commit_transaction(10)
        produce()
        producer.abort_transaction(10)
        wait_until(lambda: by_partition(neighbour, LAG) == {0: 0, 1: 0}, what="all is read")
        wait_until(lambda: neighbour.committed() == {0: 1, 1: 0}, what="only the record's offset is committed")
        looked = number(LOOKED) or 0
        produce()
        began = time.time()
        wait_until(lambda: (number(LOOKED) or 0) > began + 0.5, what="it looks on")
        assert by_partition(neighbour, LAG) == {0: 0, 1: 0}
        assert by_partition(neighbour, PROGRESS)[0] > looked
        producer.abort_transaction(10)


def test_the_lag_is_told_while_the_database_is_away(neighbour: Neighbour) -> None:
    """That is when it grows: somebody will want to know for how long there is room."""
    waits = "billing_bridge_database_waits_total"
    before = number(waits) or 0
    with running(process="bridge", session=bridge().session):
        neighbour.send([ONE] * 2, partition=0)
        wait_until(lambda: neighbour.committed() == {0: 2, 1: 0}, what="the first records are read")
        with database_away():
            neighbour.send([ONE] * 3, partition=0)
            wait_until(lambda: (number(waits) or 0) > before, what="it waits")
            neighbour.send([ONE] * 4, partition=1)
            wait_until(lambda: by_partition(neighbour, LAG) == {0: 3, 1: 4}, what="it tells what it hasn't written")
        wait_until(lambda: by_partition(neighbour, LAG) == {0: 0, 1: 0}, what="all is read")


def test_what_goes_to_another_member_is_no_longer_told(neighbour: Neighbour) -> None:
    """Or it would stand still for ever in a diagram."""
    with watched_member() as source:
        see(source, neighbour, LAG, {0: 0, 1: 0})
        assert number("billing_bridge_partitions") == 2
        before = number("billing_bridge_revocations_total") or 0
        source._members.on_revoke(source._consumer, source._consumer.assignment()[:1])
        [left] = source.lag.places
        see(source, neighbour, LAG, {left: 0})
        assert by_partition(neighbour, PROGRESS).keys() == {left}
        assert number("billing_bridge_partitions") == 1
        assert number("billing_bridge_revocations_total") == before + 1


def test_retention_that_comes_near_is_told_and_warned_of_once(
    neighbour: Neighbour, caplog: pytest.LogCaptureFixture
) -> None:
    """An hour is kept, and a record has waited for 50 minutes. It is for ever again when it is read."""
    keep(neighbour, retention_ms=str(int(HOUR * 1000)))
    neighbour.send([ONE] * 2, partition=0, timestamp=ago(HOUR * 5 / 6))
    neighbour.send([ONE], partition=1, timestamp=ago(HOUR / 6))
    with watched_member() as source:
        in_hand = take(source, records=3)
        six = HOUR / 6
        see(source, neighbour, LEFT, {0: pytest.approx(six, abs=10), 1: pytest.approx(5 * six, abs=10)})
        for _ in range(2):
            look_again(source)
        source.commit(in_hand)
        see(source, neighbour, LEFT, {0: math.inf, 1: math.inf})
    [line] = lines(caplog, "unread records are about to be deleted")
    assert (line["topic"], line["partition"]) == (neighbour.payments, 0)
    assert line["seconds"] == pytest.approx(six, abs=10)
    assert line["fix"] == "let the bridge catch up, or raise retention.ms or retention.bytes of the topic until it has"


def test_who_may_not_see_a_topics_settings_is_told_the_lag_all_the_same(settings: Any) -> None:
    """To read is the one right that a bridge needs; of retention nothing is said then."""
    with secured_kafka() as secured:
        theirs = enter(settings, secured)
        grant(theirs)
        looks = Looks(topic=theirs.payments)
        answers: list[Look] = []

        def is_answered() -> bool:
            if not looks.is_asking:
                looks.ask([0])
            with suppress(LookFailed):
                answers.extend(filter(None, [looks.answer()]))
            return bool(answers)

        wait_until(is_answered, what="Kafka answers")
    assert answers == [Look(first={0: 0}, end={0: 0}, kept=None)]


def test_a_topic_that_grows_deletes_what_is_unread(
    neighbour: Neighbour, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """By size, at the rate of what comes: minutes, though by time it would be days."""
    settings.OUTAGE_BUDGET = timedelta(days=3)
    keep(neighbour, retention_bytes="1000000")
    neighbour.send([ONE] * 100, partition=0)
    with watched_member() as source:
        source.commit(take(source, records=100)[:30])
        neighbour.delete_records(partition=0, before=25)
        see(source, neighbour, LAG, {0: 70, 1: 0})
        neighbour.send([ONE] * 100, partition=0)

        def is_told() -> bool:
            source.wait_paused(seconds=0.05)
            return 0 < by_partition(neighbour, LEFT)[0] < HOUR

        wait_until(is_told, what="little is left")
    [line] = lines(caplog, "unread records are about to be deleted")
    assert line["partition"] == 0
