"""What the doctor makes of what it sees, without asking anybody."""

from datetime import timedelta

import pytest

from billing_project.doctor import worst
from bridge.doctor import judge_group
from bridge.kafka.reading import Partition
from payments.doctor import for_people, judge_space
from payments.doctor.on_redis import _judge_memory, _judge_persistence
from payments.finding import Finding, fail, judge_clock, ok, warn


def group(*partitions: tuple[int, int, int | None], members: int = 1) -> list[tuple[str, str]]:
    """Level and text of what is said of a group, by (low, high, committed) of each partition."""
    found = {number: Partition(low=low, high=high, committed=at) for number, (low, high, at) in enumerate(partitions)}
    return [(one.level, one.says) for one in judge_group(found, members=members)]


def test_a_group_that_keeps_up_is_well() -> None:
    """Some records on their way are no backlog; a partition that is new is read from its beginning."""
    assert group((0, 100, 90), (5, 10, None)) == [("OK", "15 records wait to be read, 1 members read")]


@pytest.mark.parametrize(
    ("partitions", "members", "expected"),
    [
        (((0, 5_000, 10),), 2, [("WARN", "4990 records wait to be read, 2 members read")]),
        (((0, 10, 10),), 0, [("FAIL", "0 records wait to be read, 0 members read")]),
        (((0, 10, None),), 0, [("FAIL", "has no offsets: it was never told where to begin")]),
        (((7, 10, 5), (0, 1, 1)), 1, [("FAIL", "Kafka has deleted records unread, in partition 0")]),
    ],
)
def test_a_group_that_is_not_well_is_told_as_such(
    partitions: tuple[tuple[int, int, int | None], ...], members: int, expected: list[tuple[str, str]]
) -> None:
    """Behind, not read by anybody, never begun, or too late."""
    assert group(*partitions, members=members) == expected


@pytest.mark.parametrize(
    ("seconds", "level", "says"),
    [
        (0.4, "OK", "its clock is 0.4 s ahead of this machine's"),
        (-6, "WARN", "its clock is 6.0 s behind this machine's"),
        (61, "FAIL", "its clock is 61.0 s ahead of this machine's"),
    ],
)
def test_a_clock_is_judged_by_how_far_it_is_off(seconds: float, level: str, says: str) -> None:
    """Either way; leases and webhooks' signatures bear seconds."""
    found = judge_clock("redis clock", timedelta(seconds=seconds))
    assert (found.level, found.says) == (level, says)


@pytest.mark.parametrize(("free", "level"), [(5 * 10**9, "OK"), (10**9, "WARN"), (10**8, "FAIL")])
def test_a_disk_is_judged_by_what_is_free(free: int, level: str) -> None:
    """In bytes, as a full disk is full whatever its size."""
    assert judge_space("disk", "/tmp", free).level == level  # noqa: S108 - a name only


@pytest.mark.parametrize(
    ("used", "most", "level", "says"),
    [
        (5_000_000, 0, "OK", "5 MB, without a limit of its own"),
        (90_000_000, 100_000_000, "OK", "90 of 100 MB"),
        (90_000_001, 100_000_000, "WARN", "90 of 100 MB"),
    ],
)
def test_a_redis_is_judged_by_what_is_left_of_its_memory(used: int, most: int, level: str, says: str) -> None:
    """With a tenth of it left the next backlog's doorbells may be refused."""
    found = _judge_memory(used, most)
    assert (found.level, found.says) == (level, says)


@pytest.mark.parametrize(
    ("is_on", "went_well", "level", "says"),
    [
        (True, True, "OK", "its append-only file is on"),
        (False, True, "WARN", "its append-only file is off"),
        (True, False, "FAIL", "its append-only file can't be written"),
    ],
)
def test_a_redis_that_can_not_write_is_worse_than_one_that_does_not(
    is_on: bool, went_well: bool, level: str, says: str
) -> None:
    """Its disk may be full: after a restart the doorbells are gone, and nobody had expected that."""
    found = _judge_persistence(is_on=is_on, went_well=went_well)
    assert (found.level, found.says) == (level, says)


@pytest.mark.parametrize(
    ("number", "text"), [(999, "999 bytes"), (1_234_000, "1.23 MB"), (3.4e9, "3.4 GB"), (5e12, "5 TB")]
)
def test_sizes_are_written_for_people(number: float, text: str) -> None:
    """Three digits are enough."""
    assert for_people(number) == text


def test_the_worst_finding_counts() -> None:
    """And nothing found is nothing wrong."""
    one, two, three = ok("a", "well"), warn("b", "hm", "look"), fail("c", "away", "start it")
    assert [worst(some) for some in ([], [one], [one, two], [three, two, one])] == ["OK", "OK", "WARN", "FAIL"]


def test_a_line_has_its_fix() -> None:
    """If there is one."""
    assert Finding(name="redis", level="FAIL", says="away", fix="start it").line == "FAIL  redis: away. Fix: start it"
    assert ok("redis", "7.2").line == "OK    redis: 7.2"
