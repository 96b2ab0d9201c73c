"""docs/operations.md, "Backup and restore", carried out: its own commands, PostgreSQL's own tools, all processes."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.deployment import Deployment
from tests.e2e.operator import ADOPT, AUDIT, BACKUP, BRIDGE, RESTORE, REWIND, Operator

CARDS = ("pm_card_visa", "pm_card_chargeDeclinedInsufficientFunds", "pm_card_visa", "pm_card_authenticationRequired")
PAUSED = "SELECT count(*) FROM payments_pause WHERE ended_at IS NULL AND cause = 'restored'"
OUTCOMES = "SELECT subscription_id, status, intent_id FROM payments_payment ORDER BY 1"


def send(deployment: Deployment, first: int, last: int) -> None:
    """Events with cards of mixed fortunes, and wait until all is told."""
    values = []
    for number in range(first, last):
        user = {"id": f"u_{number}", "email": "a@b.kz", "paymentMethod": CARDS[number % len(CARDS)]}
        event = {"subId": f"n{number:02}", "user": user, "product": {"price": 100, "currency": "KZT"}}
        values.append(json.dumps(event).encode())
    deployment.send(values)
    deployment.wait_until_at_rest(records=last)


def told(deployment: Deployment) -> dict[str, str]:
    """The status by the id under which it was told, whether once or again."""
    records = deployment.records("KAFKA_TOPIC_NOTIFICATIONS")
    return {dict(one.headers)["ce_id"].decode(): json.loads(one.value)["payment"]["status"] for one in records}


def confirms(deployment: Deployment) -> int:
    """How often a card was asked."""
    return len(deployment.stripe.control.requests(endpoint="payment_intents.confirm"))


@pytest.mark.timeout(300)
def test_a_restored_backup_charges_nobody_twice_and_tells_everything(deployment: Deployment, tmp_path: Path) -> None:
    """P1 to P4: eight payments in the backup, eight more after it, and then the backup is put back."""
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    operator = Operator(deployment=deployment, folder=tmp_path / "shell", moment=an_hour_ago)
    deployment.start()
    send(deployment, 0, 8)
    operator.run(BACKUP)
    send(deployment, 8, 16)
    outcomes, asked, told_before = deployment.rows(OUTCOMES), confirms(deployment), told(deployment)
    assert Counter(status for _, status, _ in outcomes) == {"success": 8, "failed": 8}
    for name in ("bridge", "worker", "beat", "relay"):
        assert deployment.stop(name) == 0

    operator.run(RESTORE)
    assert deployment.count("SELECT count(*) FROM payments_payment") == 8
    # The page's command; here with the option of the first start, which is nothing to a group with offsets.
    assert BRIDGE.strip() == "python manage.py bridge"
    deployment.start("bridge")
    deployment.wait_until(
        lambda: deployment.count("SELECT count(*) FROM payments_payment") == 16, what="what was forgotten is read again"
    )
    assert deployment.count(PAUSED) == 1, "charging stops by itself"
    assert "charging goes on" in operator.run(ADOPT)
    assert deployment.count(PAUSED) == 0
    assert deployment.stop("bridge") == 0
    assert "16 records have rows" not in operator.run(REWIND)
    deployment.start("bridge", "worker", "beat", "relay")
    deployment.wait_until(lambda: "16 records have rows: complete." in operator.run(AUDIT), what="all is read again")
    deployment.wait_until_at_rest(records=16)

    assert deployment.stripe.ledger.twice_charged() == {}
    assert confirms(deployment) == asked, "a card was asked again"
    assert deployment.rows(OUTCOMES) == outcomes
    assert told(deployment) == told_before
