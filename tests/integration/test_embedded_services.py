"""The demo and every test stand on these servers: they have to be real, to come back, and to go away."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
import redis
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from billing_project.dev.services import Kafka, Postgres, Redis, ServiceFailed, Services, process

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".data" / "cache"
TOPIC = "numbers"
START_AND_WAIT = """
import sys
from pathlib import Path
from billing_project.dev.services import Services
services = Services(data=Path(sys.argv[1]), cache=Path(sys.argv[2]), durable=True).start()
print(services.postgres.pid, services.redis.pid, services.kafka.pid, flush=True)
sys.stdin.read()
"""

Server = Postgres | Redis | Kafka
Keep = Callable[[Server], None]


@pytest.fixture
def keep() -> Iterator[Keep]:
    """Starts a server and keeps it up to the end of the test."""
    with ExitStack() as stack:

        def start(server: Server) -> None:
            stack.callback(server.stop)
            server.start()

        yield start


def test_data_and_ports_are_the_same_after_a_stop(tmp_path: Path) -> None:
    """A client that knew the address before finds everything there; so does another run, at another address."""
    with Services(data=tmp_path, cache=CACHE, durable=True) as services:
        before = (services.database_url, services.redis_url, services.kafka_broker)
        write(services, "1")
        services.stop()
        assert (services.postgres.pid, services.redis.pid, services.kafka.pid) == (None, None, None)

        services.start()

        assert (services.database_url, services.redis_url, services.kafka_broker) == before
        assert read(services) == (["1"], "1", ["1"])

    with Services(data=tmp_path, cache=CACHE, durable=True) as run_of_the_next_day:
        assert run_of_the_next_day.kafka_broker != services.kafka_broker
        assert read(run_of_the_next_day) == (["1"], "1", ["1"])


def test_nothing_confirmed_is_lost_when_servers_are_killed(tmp_path: Path) -> None:
    """A crash of the servers is no power failure: what they have confirmed is there when they start again."""
    with Services(data=tmp_path, cache=CACHE, durable=True) as services:
        write(services, "1")
        for service in (services.postgres, services.redis, services.kafka):
            service.kill()
            assert service.pid is None
            service.start()

        assert read(services) == (["1"], "1", ["1"])


def test_a_commit_outlives_a_killed_server_without_durability_too(keep: Keep, tmp_path: Path) -> None:
    """Tests that kill PostgreSQL rely on it: only the disk is not waited for."""
    database = Postgres(folder=tmp_path, durable=False)
    keep(database)
    execute(database.url, "CREATE TABLE numbers (number text)")
    for number in range(20):
        execute(database.url, "INSERT INTO numbers VALUES (%s)", str(number))
        database.kill()
        database.start()
        assert execute(database.url, "SELECT count(*) FROM numbers") == [number + 1]


def test_kafka_shows_committed_transactions_only(keep: Keep, tmp_path: Path) -> None:
    """A reader of committed records sees what was committed and nothing of what was aborted."""
    kafka = Kafka(folder=tmp_path, cache=CACHE)
    keep(kafka)
    create_topic(kafka.broker)
    producer = Producer({"bootstrap.servers": kafka.broker, "transactional.id": "writer"})
    producer.init_transactions(30)
    commit, abort = producer.commit_transaction, producer.abort_transaction
    for value, end in (("kept", commit), ("dropped", abort), ("last", commit)):
        producer.begin_transaction()
        producer.produce(TOPIC, value)
        assert producer.flush(30) == 0
        end(30)

    assert consume(kafka.broker, until="last") == ["kept", "last"]


def test_a_folder_in_use_is_refused_in_one_line(keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two servers on one folder would destroy it; the running one is not disturbed."""
    monkeypatch.setattr(process, "LEAVE_WITHIN", 0.1)
    running = Redis(folder=tmp_path, durable=True)
    keep(running)

    with pytest.raises(ServiceFailed) as refusal:
        Redis(folder=tmp_path, durable=True).start()

    assert str(refusal.value) == f"Redis: the data folder {tmp_path} is in use by a running instance"
    assert redis.Redis.from_url(running.url).ping()


def test_a_failed_start_says_why_and_leaves_nothing_running(tmp_path: Path) -> None:
    """One line for the terminal, the log's last lines for who wants them, and no server that nobody stops."""
    with Services(data=tmp_path, cache=CACHE, want=frozenset({"postgres", "redis"}), durable=False) as services:
        assert services.kafka.pid is None
        services.stop()
        (tmp_path / "postgres" / "data" / "PG_VERSION").write_text("garbage\n")

        with pytest.raises(ServiceFailed) as failure:
            services.start()

        assert (services.postgres.pid, services.redis.pid) == (None, None)
    log = tmp_path / "postgres" / "log"
    assert str(failure.value) == f"PostgreSQL: ended with status 1 before it was ready (log: {log})"
    assert any("is not a valid data directory" in line for line in failure.value.lines)


def test_an_interrupted_first_start_is_done_again(keep: Keep, tmp_path: Path) -> None:
    """Half a database folder never passes for a whole one."""
    (tmp_path / "data.new").mkdir()
    (tmp_path / "data.new" / "PG_VERSION").write_text("18\n")
    database = Postgres(folder=tmp_path, durable=False)

    keep(database)

    assert execute(database.url, "SELECT 1") == [1]


def test_a_port_that_was_taken_is_given_up_at_the_first_start_only(keep: Keep, tmp_path: Path) -> None:
    """Before anyone knows the address it can change; afterwards clients rely on it."""
    server = Redis(folder=tmp_path, durable=False)
    proposed = server.url
    with socket.create_server(("127.0.0.1", urlsplit(proposed).port or 0)):
        keep(server)
    known = server.url
    assert known != proposed
    assert redis.Redis.from_url(server.url).ping()

    server.stop()
    with socket.create_server(("127.0.0.1", urlsplit(known).port or 0)), pytest.raises(ServiceFailed) as failure:
        server.start()
    server.start()

    assert any("Address already in use" in line for line in failure.value.lines)
    assert server.url == known
    assert redis.Redis.from_url(server.url).ping()


def test_a_server_outlives_the_thread_that_started_it(keep: Keep, tmp_path: Path) -> None:
    """The kernel would end a child with the thread that forked it."""
    server = Redis(folder=tmp_path, durable=False)
    thread = threading.Thread(target=keep, args=(server,))
    thread.start()
    thread.join()
    deadline = time.monotonic() + 30
    # To `join` it has ended when Python is done with it, a moment before the kernel is.
    while Path(f"/proc/self/task/{thread.native_id}").exists():
        assert time.monotonic() < deadline

    assert redis.Redis.from_url(server.url).ping()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_servers_end_with_a_killed_parent_and_their_data_can_be_used_at_once(tmp_path: Path) -> None:
    """Not even `kill -9` of the parent leaves a server behind; Ctrl-C reaches the parent alone."""
    parent = subprocess.Popen(
        [sys.executable, "-c", START_AND_WAIT, str(tmp_path), str(CACHE)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with parent:
        assert parent.stdout is not None
        servers = [int(pid) for pid in parent.stdout.readline().split()]
        assert [is_running(pid) for pid in servers] == [True, True, True]
        assert all(os.getpgid(pid) != os.getpgid(parent.pid) for pid in servers)

        parent.send_signal(signal.SIGKILL)

    with Services(data=tmp_path, cache=CACHE, durable=True) as services:
        assert not any(is_running(pid) for pid in servers)
        write(services, "1")
        assert read(services) == (["1"], "1", ["1"])


def write(services: Services, value: str) -> None:
    execute(services.database_url, "CREATE TABLE numbers (number text)")
    execute(services.database_url, "INSERT INTO numbers VALUES (%s)", value)
    with redis.Redis.from_url(services.redis_url) as client:
        client.set("number", value)
    create_topic(services.kafka_broker)
    producer = Producer({"bootstrap.servers": services.kafka_broker, "acks": "all"})
    producer.produce(TOPIC, value)
    assert producer.flush(30) == 0


def read(services: Services) -> tuple[list[object], str, list[str]]:
    with redis.Redis.from_url(services.redis_url, decode_responses=True) as client:
        cached = str(client.get("number"))
    rows = execute(services.database_url, "SELECT number FROM numbers")
    return rows, cached, consume(services.kafka_broker, until=str(rows[-1]))


def execute(url: str, sql: str, *values: str) -> list[object]:
    """The first column of the rows, if there are any."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [row[0] for row in cursor.fetchall()] if cursor.description else []


def create_topic(broker: str) -> None:
    admin = AdminClient({"bootstrap.servers": broker})
    admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(30)


def consume(broker: str, *, until: str) -> list[str]:
    """All committed values from the beginning to the one named."""
    from_the_start = {"auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "readers"} | from_the_start)
    consumer.subscribe([TOPIC])
    found: list[str] = []
    deadline = time.monotonic() + 30
    try:
        while found[-1:] != [until]:
            assert time.monotonic() < deadline, found
            messages = [message for message in consumer.consume(10, 0.1) if message.error() is None]
            found += [(message.value() or b"").decode() for message in messages]
    finally:
        consumer.close()
    return found


def is_running(pid: int) -> bool:
    """A zombie isn't: who adopts it may take its time."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
