"""PostgreSQL, Redis and Kafka for the demo and the tests: real servers from pip packages, nothing to install.

For a developer's machine only: they ask for no password, on the loopback. Every server lives in a folder of
its own with its log beside its data, and ends with the process that started it.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, get_args

from billing_project.dev.services.kafka import Kafka
from billing_project.dev.services.postgres import Postgres
from billing_project.dev.services.process import ServiceFailed
from billing_project.dev.services.redis import Redis

__all__ = ["Kafka", "Name", "Postgres", "Redis", "ServiceFailed", "Services"]

Name = Literal["postgres", "redis", "kafka"]
ALL: frozenset[Name] = frozenset(get_args(Name))


class Services:
    """The services that are wanted, up from `start` to `stop` or for the time of a `with`; each has its own too.

    `data` gets a folder for each; `durable` means that a later start finds what was in it. `cache` is for what
    the internet gives once, and may be shared by anyone. `say` is told of what takes long. `proxies`: before Kafka.
    """

    def __init__(
        self,
        *,
        data: Path,
        cache: Path,
        want: frozenset[Name] = ALL,
        durable: bool,
        say: Callable[[str], None] | None = None,
        proxies: Sequence[int] = (),
    ) -> None:
        self.postgres = Postgres(folder=data / "postgres", durable=durable)
        self.redis = Redis(folder=data / "redis", durable=durable)
        self.kafka = Kafka(folder=data / "kafka", cache=cache, say=say, proxies=proxies)
        self._want = want

    def start(self) -> Self:
        """Start them at the same time and return when all are ready, on the ports of the start before if any.

        Raises `ServiceFailed` for the first that will not be up; none is left running then.
        """
        by_name: dict[Name, Postgres | Redis | Kafka] = {
            "postgres": self.postgres,
            "redis": self.redis,
            "kafka": self.kafka,
        }
        try:
            if "kafka" in self._want:
                # Not in a thread: a download must end at Ctrl-C.
                self.kafka.fetch()
            with ThreadPoolExecutor() as threads:
                for started in [threads.submit(by_name[name].start) for name in self._want]:
                    started.result()
        except BaseException:
            self.stop()
            raise
        return self

    @property
    def database_url(self) -> str:
        """postgresql://user@host:port/database; the user is a superuser."""
        return self.postgres.url

    @property
    def redis_url(self) -> str:
        """redis://host:port/0"""
        return self.redis.url

    @property
    def kafka_broker(self) -> str:
        """host:port"""
        return self.kafka.broker

    def stop(self) -> None:
        """In order. Does nothing for what isn't running."""
        for service in (self.kafka, self.redis, self.postgres):
            service.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
