"""What is sent into a storm, and the audit of what came of it: every offset has exactly one verdict, and the right one.

Who is sent what is known from Kafka's own acknowledgements, so nothing here relies on what the bridge says.
"""

import hashlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from kafka import KafkaProducer

from tests.e2e.deployment import Deployment

DUPLICATES, POISON = 0.10, 0.05
POISONS = (b"[object Object]", b"{", b'{"subId":"x"}', b"\xff\xfe{", b'{"subId":NaN}', b"", b"[" * 200)


class Sea:
    """Records with known content: 85 % wishes, 10 % of them once more, 5 % that nobody can understand."""

    def __init__(self, *, records: int, seed: int) -> None:
        chance = random.Random(seed)
        self.wishes = int(records * (1 - DUPLICATES - POISON))
        duplicates, poison = int(records * DUPLICATES), int(records * POISON)
        fresh = [_event(number) for number in range(self.wishes)]
        self.values = fresh + chance.sample(fresh, duplicates) + [POISONS[n % len(POISONS)] for n in range(poison)]
        chance.shuffle(self.values)
        self.expected = {"accepted": self.wishes, "duplicate": duplicates, "invalid": poison}
        self.sent: dict[tuple[int, int], bytes] = {}

    def pour(self, deployment: Deployment, *, over: float) -> threading.Thread:
        """Send them all, evenly over so many seconds, from a thread."""
        thread = threading.Thread(target=self._pour, args=(deployment, over), daemon=True)
        thread.start()
        return thread

    def _pour(self, deployment: Deployment, over: float) -> None:
        producer = KafkaProducer(bootstrap_servers=deployment.broker, acks="all", retries=10, linger_ms=5)
        began_at = time.monotonic()
        for slice_ in _slices(self.values, len(self.values) // 100 or 1):
            futures = [producer.send(deployment.topics["KAFKA_TOPIC_PAYMENTS"], value=value) for value in slice_]
            for value, future in zip(slice_, futures, strict=True):
                where = future.get(60)
                self.sent[where.partition, where.offset] = hashlib.sha256(value).digest()
            share = len(self.sent) / len(self.values)
            time.sleep(max(0.0, began_at + share * over - time.monotonic()))
        producer.close()

    def audit(self, deployment: Deployment) -> None:
        """One row per place, with the bytes that were sent there; the verdicts that were meant; one payment a wish."""
        rows = deployment.rows('SELECT partition, "offset", value_hash FROM payments_inboxmessage')
        places = Counter((partition, offset) for partition, offset, _ in rows)
        assert [place for place, count in places.items() if count > 1] == [], "two verdicts"
        assert self.sent.keys() - places.keys() == set(), "no verdict"
        assert {(p, o): bytes(digest) for p, o, digest in rows} == self.sent
        verdicts = dict(deployment.rows("SELECT verdict, count(*) FROM payments_inboxmessage GROUP BY verdict"))
        assert verdicts == self.expected
        assert deployment.count("SELECT count(*) FROM payments_payment") == self.wishes
        assert deployment.count("SELECT count(DISTINCT subscription_id) FROM payments_payment") == self.wishes
        dead = "SELECT count(*) FROM payments_outboxmessage WHERE channel = 'dead_letters'"
        assert deployment.count(dead) == self.expected["invalid"]


def _slices(values: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    yield from (values[start : start + size] for start in range(0, len(values), size))


def _event(number: int) -> bytes:
    user = {"id": f"u_{number}", "email": f"{number}@example.kz", "paymentMethod": "pm_1"}
    event = {"subId": f"sub_{number}", "user": user, "product": {"price": 100, "currency": "KZT"}}
    return json.dumps(event, separators=(",", ":")).encode()
