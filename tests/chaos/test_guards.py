"""Does the harness see anything? Each guard is taken away from real processes, and a scenario made for it turns red.

With all guards the same scenario is green, or a red one would show nothing. How a guard is taken away is in `without`.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from billing_project.dev.simulator.records import PaymentIntent
from tests.chaos.processes import Ended
from tests.chaos.report import keep_evidence
from tests.chaos.scene import EVENTS, HELD, REST, UNDER_WAY, Scene
from tests.chaos.seen import committed
from tests.chaos.staff import Failed
from tests.e2e.deployment import Deployment

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def scene(deployment: Deployment, django_db_blocker: Any) -> Iterator[Scene]:
    """Nothing is started yet."""
    yield Scene(deployment, django_db_blocker)


# --- Offsets after rows


def die_between_offset_and_rows(scene: Scene) -> set[str]:
    """The bridge is killed as soon as records are committed, or have rows; then there is another one."""
    deployment = scene.deployment
    # Where it has taken a part of them only, the other one waits for the end of its session, and nothing moves.
    deployment.env["KAFKA_SESSION_TIMEOUT_MS"] = f"{REST / 2 * 1000:.0f}"
    scene.start()
    scene.send()
    scene.wait_until(lambda: _is_any_committed(deployment) or bool(deployment.rows(ROWS)), what="a record is passed")
    deployment.kill("bridge")
    deployment.start("bridge")
    scene.rests()
    return scene.broken()


def test_with_all_guards_a_bridge_that_dies_loses_nothing(scene: Scene) -> None:
    """Or the next test would show nothing."""
    assert die_between_offset_and_rows(scene) == set()


def test_offsets_ahead_of_rows_are_seen(scene: Scene) -> None:
    """P2."""
    scene.take_away("offset_after_rows")
    assert "P2" in die_between_offset_and_rows(scene)


# --- Marked after the acknowledgement


def die_between_mark_and_publication(scene: Scene) -> set[str]:
    """The relay is killed when the first outcome is marked, or after it was told."""
    deployment = scene.deployment
    scene.start()
    scene.send()
    marked = "SELECT count(*) FROM payments_outboxmessage WHERE published_at IS NOT NULL"
    scene.wait_until(lambda: deployment.count(marked) > 0, what="an outcome is marked")
    deployment.kill("relay")
    deployment.start("relay")
    scene.rests()
    return scene.broken()


def test_with_all_guards_a_relay_that_dies_tells_all(scene: Scene) -> None:
    """Or the next test would show nothing."""
    assert die_between_mark_and_publication(scene) == set()


def test_marking_before_the_acknowledgement_is_seen(scene: Scene) -> None:
    """P4."""
    scene.take_away("mark_after_acknowledgement")
    assert "P4" in die_between_mark_and_publication(scene)


# --- The sweep


def lose_all_doorbells(scene: Scene) -> set[str]:
    """Redis is emptied before a worker has heard anything."""
    deployment = scene.deployment
    scene.start("bridge", "beat", "relay")
    scene.send()
    scene.wait_until(lambda: scene.deployment.rows(UNDER_WAY)[0][0] == EVENTS, what="all is taken in")
    scene.wait_until(lambda: "batch accepted" in deployment.log("bridge").read_text(), what="it has rung")
    deployment.flush_redis()
    scene.start("worker")
    scene.rests()
    return scene.broken()


def test_with_all_guards_lost_doorbells_cost_nothing(scene: Scene) -> None:
    """Or the next test would show nothing."""
    assert lose_all_doorbells(scene) == set()


def test_a_missing_sweep_is_seen(scene: Scene) -> None:
    """P5."""
    scene.take_away("sweep")
    assert "P5" in lose_all_doorbells(scene)


# --- Leases


def work_side_by_side(scene: Scene) -> int:
    """Two workers, and a Stripe that takes seconds. Returns how many requests were made in vain."""
    deployment = scene.deployment
    deployment.stripe.control.set_latency(ms=2500)
    scene.start("bridge", "beat", "relay", "worker 1", "worker 2")
    scene.send()
    assert scene.rests()
    assert scene.broken() == set(), "no promise rests on a lease"
    asked = Counter(one["endpoint"] for one in deployment.stripe.control.requests())
    return asked["payment_intents.confirm"] + asked["payment_intents.create"] - 2 * EVENTS


def test_with_all_guards_nobody_does_what_another_one_does(scene: Scene) -> None:
    """Or the next test would show nothing."""
    assert work_side_by_side(scene) == 0


def test_a_missing_lease_is_seen(scene: Scene) -> None:
    """Money stays right, as no promise rests on it; but work is done twice."""
    scene.take_away("lease")
    assert work_side_by_side(scene) > 0


# --- The binding


def bind_late(scene: Scene) -> set[str]:
    """A worker hears late of the PaymentIntent that it has made: its lease was over, and another one has charged."""
    deployment = scene.deployment
    made = deployment.stripe.ledger.payment_intents
    deployment.stripe.control.add_fault(kind="timeout", endpoint="create", effect="after", seconds=HELD, count=1)
    scene.start("bridge", "beat", "relay", "worker 1", "worker 2")
    scene.send(1)
    scene.wait_until(lambda: len(list(made)) == 1, what="one is made, and nobody knows of it")
    scene.deployment.administer("UPDATE payments_payment SET lease_until = now() - interval '1 minute'")
    assert scene.rests(records=1)
    scene.wait_until(lambda: _is_heard_of(deployment, next(iter(made))), what="the late answer is there")
    return scene.broken()


def test_with_all_guards_a_late_binding_is_harmless(scene: Scene) -> None:
    """Or the next test would show nothing."""
    assert bind_late(scene) == set()


def test_a_binding_without_compare_and_set_is_seen(scene: Scene) -> None:
    """P1: the charge is on a PaymentIntent that no payment knows any more."""
    scene.take_away("bind")
    scene.deployment.administer("ALTER TABLE payments_payment DISABLE TRIGGER payment_bound_for_good")
    assert "P1" in bind_late(scene)


# --- The unique index


def test_with_all_guards_a_second_open_payment_is_refused(scene: Scene) -> None:
    """Or the next test would show nothing."""
    with pytest.raises(psycopg2.errors.UniqueViolation, match="payment_one_open"):
        ask_twice(scene)
    assert scene.broken() == set()


def test_a_missing_unique_index_is_seen(scene: Scene) -> None:
    """P1: somebody who has judged without the lock makes a second open payment, and it is charged, too."""
    scene.deployment.administer("DROP INDEX payment_one_open")
    ask_twice(scene)
    scene.wait_until(lambda: scene.deployment.count(PAID) == EVENTS + 1, what="both are charged")
    scene.rests()
    assert "P1" in scene.broken()


ROWS = "SELECT 1 FROM payments_inboxmessage LIMIT 1"
PAID = "SELECT count(*) FROM payments_payment WHERE status = 'success'"
SECOND = """
    INSERT INTO payments_payment SELECT (jsonb_populate_record(payment, jsonb_build_object(
        'id', gen_random_uuid(), 'number', 2, 'status', 'pending', 'due_at', now(),
        'settled_at', NULL, 'intent_id', NULL
    ))).* FROM payments_payment AS payment WHERE subscription_id = 'probe_1'
"""


def ask_twice(scene: Scene) -> None:
    """A second payment of a subscription that has an open one."""
    scene.start()
    scene.send()
    assert scene.rests()
    scene.deployment.administer(SECOND)


def _is_any_committed(deployment: Deployment) -> bool:
    return any(committed(deployment, {0, 1, 2, 3}).values())


def _is_heard_of(deployment: Deployment, made: PaymentIntent) -> bool:
    """It is canceled, or bound."""
    bound = {intent for (intent,) in deployment.rows("SELECT intent_id FROM payments_payment")}
    return made.status == "canceled" or made.id in bound


# --- The evidence


def test_a_red_run_leaves_ledger_rows_records_and_who_failed(scene: Scene, tmp_path: Path) -> None:
    """So that whoever reads it needs nothing that has gone with the run."""
    scene.start()
    scene.send()
    assert scene.rests()
    ended = [Ended(name="worker 0", is_previous=False, code=3, tail="the end")]
    failed = [Failed(arguments=["audit"], code=2, said="no")]
    keep_evidence(scene.deployment, tmp_path, ended=ended, failed=failed)
    ledger = json.loads((tmp_path / "ledger.json").read_text())
    assert ledger["totals"]["successful_charges"] == EVENTS
    for topic in ("payments", "notifications"):
        assert len((tmp_path / f"kafka_topic_{topic}.jsonl").read_text().splitlines()) == EVENTS
    for table in ("payment", "attempt", "inboxmessage", "outboxmessage"):
        assert len((tmp_path / f"payments_{table}.csv").read_text().splitlines()) == 1 + EVENTS
    found = json.loads((tmp_path / "processes.json").read_text())
    assert [one["name"] for one in found["ended by themselves"]] == ["worker 0"]
    assert [one["said"] for one in found["what staff met"]] == ["no"]
