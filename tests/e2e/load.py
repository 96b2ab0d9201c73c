"""A thousand events with known content, and the audit that holds the promises against what came of them."""

import json
import random
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from tests.e2e.deployment import Deployment

GOOD, DECLINED, DUPLICATES, MALFORMED = 750, 100, 100, 50
_POISON = (b"[object Object]", b"", b"{", b'{"subId":"x"}', b'\xef\xbb\xbf{"subId":"x"}')


@dataclass(frozen=True, kw_only=True)
class Load:
    """The records, in the order in which they are sent, and what must come of each subscription."""

    records: list[bytes]
    expected: dict[str, str]


def make_load(*, seed: int) -> Load:
    """1,000 records: 10 % duplicates (under new offsets), 5 % malformed, 10 % declines."""
    chance = random.Random(seed)
    wishes = {f"good_{n}": ("success", "pm_card_visa") for n in range(GOOD)}
    wishes |= {f"bad_{n}": ("failed", "pm_card_chargeDeclined") for n in range(DECLINED)}
    valid = [_event(subscription, method=method) for subscription, (_, method) in wishes.items()]
    # Only of good ones: a second event after a decline is a wish to try again, and rightly makes another attempt.
    records = valid + chance.sample(valid[:GOOD], DUPLICATES) + [_POISON[n % len(_POISON)] for n in range(MALFORMED)]
    chance.shuffle(records)
    return Load(records=records, expected={subscription: status for subscription, (status, _) in wishes.items()})


def audit(deployment: Deployment, load: Load) -> None:
    """Every record one verdict; each payment one terminal state, the ledger's; one notification id each."""
    verdicts = dict(deployment.rows("SELECT verdict, count(*) FROM payments_inboxmessage GROUP BY verdict"))
    assert verdicts == {"accepted": GOOD + DECLINED, "duplicate": DUPLICATES, "invalid": MALFORMED}
    places = deployment.count('SELECT count(DISTINCT (partition, "offset")) FROM payments_inboxmessage')
    assert places == len(load.records)

    payments = deployment.rows("SELECT id::text, subscription_id, status FROM payments_payment")
    assert {subscription: status for _, subscription, status in payments} == load.expected
    assert len(payments) == len(load.expected)
    charges = deployment.stripe.ledger.successes_by()
    assert deployment.stripe.ledger.twice_charged() == {}
    paid = {subscription for subscription, charged in charges.items() if charged}
    assert paid == {subscription for subscription, status in load.expected.items() if status == "success"}

    _audit_notifications(deployment, {payment: status for payment, _, status in payments})
    assert len(deployment.records("KAFKA_TOPIC_DEAD_LETTERS")) >= MALFORMED


def _audit_notifications(deployment: Deployment, statuses: dict[str, str]) -> None:
    bodies: dict[str, dict[str, set[bytes]]] = defaultdict(lambda: defaultdict(set))
    for record in deployment.records("KAFKA_TOPIC_NOTIFICATIONS"):
        bodies[record.key.decode()][dict(record.headers)["ce_id"].decode()].add(record.value)
    assert bodies.keys() == statuses.keys()
    for payment, by_id in bodies.items():
        [(_, values)] = by_id.items()
        [value] = values
        told: dict[str, Any] = json.loads(value)["payment"]
        assert (told["id"], told["status"]) == (payment, statuses[payment])


def _event(subscription: str, *, method: str) -> bytes:
    event = {
        "subId": subscription,
        "user": {"id": f"u_{subscription}", "email": f"{subscription}@example.kz", "paymentMethod": method},
        "product": {"price": 4990, "currency": "KZT"},
    }
    return json.dumps(event, separators=(",", ":")).encode()
