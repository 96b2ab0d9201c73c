"""How a Kafka of one's own is set up: small, and quick to start, to join and to come back."""

from collections.abc import Sequence

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
# One node has one replica of everything.
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
# The default takes 128 MB of the heap.
log.cleaner.dedupe.buffer.size=2097152
# A first join doesn't wait for others, and a rebalance takes less than the default's 5 seconds.
group.initial.rebalance.delay.ms=0
group.consumer.min.heartbeat.interval.ms=200
group.consumer.heartbeat.interval.ms=300
group.consumer.min.session.timeout.ms=3000
group.consumer.session.timeout.ms=6000
# With the defaults, a restart after a crash waits 9 seconds for the end of its own former session.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
"""
# What stands below counts instead of what stands above. Whoever comes in by a door is told to come back to its proxy.
DOORS = """\
listeners={listeners}
advertised.listeners={advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}
"""
FOLLOWER = """\
process.roles=broker
node.id=2
controller.quorum.voters=1@127.0.0.1:{controller_port}
"""


def listeners(
    *, port: int, controller_port: int, doors: Sequence[str], proxies: Sequence[int], joins: int | None
) -> str:  # fmt: skip
    """What a broker says with proxies before its doors (host:port), and one that joins the controller at a port."""
    names = [f"DOOR{number}" for number in range(len(proxies))]
    here = [f"PLAINTEXT://127.0.0.1:{port}", *map("{}://{}".format, names, doors)]
    advertised = [here[0], *map("{}://127.0.0.1:{}".format, names, proxies)]
    if joins is None:
        here.append(f"CONTROLLER://127.0.0.1:{controller_port}")
    properties = DOORS.format(
        listeners=",".join(here), advertised=",".join(advertised),
        protocols="".join(f",{name}:PLAINTEXT" for name in names),
    )  # fmt: skip
    return properties if joins is None else FOLLOWER.format(controller_port=joins) + properties
