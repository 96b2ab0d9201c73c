"""Which partitions are ours, and since which assignment."""

from confluent_kafka import TopicPartition

from bridge.kafka.membership import Membership


def places(*numbers: int) -> list[TopicPartition]:
    """Partitions of the topic."""
    return [TopicPartition("payment.createInitial", number) for number in numbers]


def test_each_assignment_is_another_epoch_of_its_partitions_alone() -> None:
    """A cooperative rebalance leaves the others as they are."""
    members = Membership()
    members.on_assign(None, places(0, 1))
    before = members.epoch_of(0)
    members.on_revoke(None, places(1))
    assert members.epoch_of(1) is None
    members.on_assign(None, places(1, 2))
    assert members.epoch_of(0) == before
    assert members.epoch_of(1) == members.epoch_of(2) != before


def test_a_partition_that_is_lost_is_not_ours() -> None:
    """Nor is it looked at any more; another member has it already."""
    members = Membership()
    members.on_assign(None, places(0, 1))
    members.on_lost(None, places(0))
    assert (members.epoch_of(0), members.new) == (None, {1})
    assert members.epoch_of(1) is not None
