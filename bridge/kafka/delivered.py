"""One record as Kafka delivered it, and those that came before somebody asked for them."""

from collections import deque
from dataclasses import dataclass

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message


@dataclass(frozen=True, slots=True)
class Delivered:
    """One record. `timestamp` in milliseconds, None where the record has none.

    `epoch`: the number of the assignment under which its partition was ours when it came.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int | None
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    epoch: int = 0

    @property
    def size(self) -> int:
        """Bytes."""
        in_headers = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + in_headers


class Early:
    """Records in their order that came while we waited for something else. `room` in bytes is when to stop that."""

    def __init__(self, *, room: int) -> None:
        self._records: deque[Delivered] = deque()
        self._room = room

    def put(self, record: Delivered) -> None:
        """At the end."""
        self._records.append(record)
        self._room -= record.size

    def take(self) -> Delivered:
        """The first."""
        record = self._records.popleft()
        self._room += record.size
        return record

    @property
    def has_room(self) -> bool:
        """Whether to let more come."""
        return self._room > 0

    def __len__(self) -> int:
        return len(self._records)


def read(message: Message, *, epoch: int) -> Delivered:
    """What the client hands out, as a record of ours."""
    kind, timestamp = message.timestamp()
    return Delivered(
        message.topic(), message.partition(), message.offset(),
        None if kind == TIMESTAMP_NOT_AVAILABLE else timestamp,
        message.key(), message.value(), tuple(message.headers() or ()), epoch,
    )  # fmt: skip
