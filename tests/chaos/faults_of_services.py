"""Redis, PostgreSQL and Kafka: killed, emptied, restarted, standing still, full."""

import random
import time
from collections.abc import Callable, Iterator

import psutil
import redis
from confluent_kafka import ElectionType
from confluent_kafka.admin import AdminClient

from tests.chaos.fault import AWAY, Fault, InVain, away
from tests.chaos.network import slowed
from tests.chaos.parts import SECOND, USERS
from tests.chaos.processes import frozen
from tests.chaos.system import System

# Longer than a connection to Redis waits for an answer (10 s), so that it is given up.
HALF_OPEN = (4.0, 13.0)
# What somebody else keeps in the same Redis.
BALLAST = b"x" * 1024
# A table's pages have room for some rows yet.
FULL_WITHIN = 10.0
DISK_FULL = b"No space left on device"
ALL_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
# What each piece of a conversation takes, with a service that is slow.
SLOW = (0.02, 0.3)


def redis_killed(system: System, chance: random.Random) -> None:
    """And what it kept is loaded again."""
    system.services.redis.kill()
    away(chance)
    system.services.redis.start()


def redis_emptied(system: System, _: random.Random) -> None:
    """Every doorbell and bucket is gone."""
    system.flush_redis()


def redis_half_open(system: System, chance: random.Random) -> None:
    """It takes connections, and says nothing."""
    with frozen(psutil.Process(system.services.redis.pid)):
        away(chance, HALF_OPEN)


def redis_full(system: System, chance: random.Random) -> None:
    """Nothing may be evicted, and nothing more fits."""
    with redis.Redis.from_url(system.redis.url) as server:
        server.config_set("maxmemory", "1")
        away(chance)
        server.config_set("maxmemory", "0")


def redis_evicting(system: System, chance: random.Random) -> None:
    """Set up as a cache, by mistake, and shared with somebody who fills it: whatever it holds may go at any moment."""
    with redis.Redis.from_url(system.redis.url) as server:
        before = server.info("stats")["evicted_keys"]
        server.mset({f"ballast:{number}": BALLAST for number in range(2000)})
        server.config_set("maxmemory-policy", "allkeys-random")
        server.config_set("maxmemory", server.info("memory")["used_memory"] - 500 * len(BALLAST))
        until = time.monotonic() + chance.uniform(*AWAY)
        while time.monotonic() < until:
            server.mset({f"ballast:{chance.randint(0, 1999)}": BALLAST for _ in range(20)})
            time.sleep(0.05)
        evicted = server.info("stats")["evicted_keys"]
        server.config_set("maxmemory", "0")
        server.config_set("maxmemory-policy", "noeviction")
        server.delete(*(f"ballast:{number}" for number in range(2000)))
        if evicted == before:
            raise InVain


def postgres_killed(system: System, chance: random.Random) -> None:
    """As a crash would."""
    system.services.postgres.kill()
    away(chance)
    system.services.postgres.start()


def postgres_restarted(system: System, _: random.Random) -> None:
    """In order, with everybody sent away."""
    system.services.postgres.stop()
    system.services.postgres.start()


def connections_cut(system: System, _: random.Random) -> None:
    """All at once, in the middle of whatever they were at."""
    if not system.rows(ALL_OTHERS):
        raise InVain


def postgres_stands_still(system: System, chance: random.Random) -> None:
    """It takes connections, and says nothing."""
    process = psutil.Process(system.services.postgres.pid)
    with frozen(process, *process.children(recursive=True)):
        away(chance, (1.0, 6.0))


def postgres_is_full(system: System, chance: random.Random) -> None:
    """The disk that the records' table is on takes nothing more."""
    assert system.small_disk is not None
    log = system.folder.parent / "services" / "postgres" / "log"
    before = log.stat().st_size
    with system.small_disk.full():
        away(chance, (2.0, 6.0))
        deadline = time.monotonic() + FULL_WITHIN
        while not (met := DISK_FULL in log.read_bytes()[before:]) and time.monotonic() < deadline:
            time.sleep(0.2)
    if not met:
        raise InVain


def kafka_killed(system: System, chance: random.Random) -> None:
    """As a crash would."""
    system.services.kafka.kill()
    away(chance)
    system.services.kafka.start()


def kafka_stands_still(system: System, chance: random.Random) -> None:
    """It takes connections, and says nothing."""
    with frozen(psutil.Process(system.services.kafka.pid)):
        away(chance, (2.0, 9.0))


def leader_gone(system: System, chance: random.Random) -> None:
    """The broker that leads half of the partitions is killed: the other one takes them over, seconds later."""
    system.second_broker.kill()
    away(chance, (3.0, 8.0))
    system.second_broker.start()
    # It leads its half again, or the next time nobody would miss it.
    client = AdminClient({"bootstrap.servers": system.broker, "log_level": 0})
    client.elect_leaders(ElectionType.PREFERRED).result(30)


def slow(service: str) -> Fault:
    """Every piece of every conversation with it takes its time."""
    servers = (service, SECOND) if service == "kafka" else (service,)

    def strike(system: System, chance: random.Random) -> None:
        links = [system.network[f"{kind}-{server}"] for server in servers for kind in USERS[service]]
        before = sum(link.times_met for link in links)
        with slowed(*links, by=chance.uniform(*SLOW)):
            away(chance, (2.0, 6.0))
        if sum(link.times_met for link in links) == before:
            raise InVain

    return Fault(kind=service, name=f"{service} slow", on=service, strike=strike)


def faults_of_services(*, with_small_disk: bool) -> Iterator[Fault]:
    """All of them."""
    for struck in (redis_killed, redis_emptied, redis_half_open, redis_full, redis_evicting):
        yield _named("redis", struck)
    for struck in (postgres_killed, postgres_restarted, connections_cut, postgres_stands_still):
        yield _named("postgres", struck)
    if with_small_disk:
        yield _named("postgres", postgres_is_full)
    for struck in (kafka_killed, kafka_stands_still, leader_gone):
        yield _named("kafka", struck)
    for service in ("postgres", "kafka"):
        yield slow(service)


def _named(kind: str, struck: Callable[[System, random.Random], None]) -> Fault:
    return Fault(kind=kind, name=struck.__name__.replace("_", " "), on=kind, strike=struck)
