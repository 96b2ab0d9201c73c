"""Does the proof see anything? Each guard is switched off here, by the test alone, and some history must turn red.

A guard whose removal goes unseen is a missing history.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from bridge import consumer, relay
from bridge.kafka import Source
from payments import declines, outbox
from payments.answers import Declined, Intent
from payments.charging import steps, writes
from payments.charging.settle import settle_all
from payments.charging.settling import Settling
from payments.charging.writes import Bind, Send, Sending
from payments.models import Attempt, Payment
from tests.proof.crash import Way
from tests.proof.history import Laboratory, points
from tests.proof.tally import Tally
from tests.proof.test_crash_points import NAMED
from tests.switches import without_trigger


@pytest.fixture
def broken(laboratory: Laboratory) -> Any:
    """What the histories of one behaviour break, struck once in one way; they aren't counted as proof."""
    blind = Laboratory(stripe=laboratory.stripe, session=laboratory.session, tally=Tally())

    def run(name: str, way: Way) -> set[str]:
        found: set[str] = set()
        outcome = blind.run(NAMED[name])
        found |= {words.partition(":")[0] for words in outcome.broken}
        for strike in points(outcome.following, among=(way,)):
            found |= {words.partition(":")[0] for words in blind.run(NAMED[name], (strike,)).broken}
        return found

    return run


def test_with_all_guards_nothing_is_broken(broken: Any) -> None:
    """Or the tests below would show nothing."""
    assert broken("success", Way.STALL_AFTER) == set()


def test_binding_without_compare_and_set_is_seen(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: whoever comes late would bind a second PaymentIntent over the first, if the database let them."""

    def bind_all(binds: Sequence[Bind], *, now: datetime) -> list[str]:
        for one in binds:
            Payment.objects.filter(id=one.claim.payment).update(intent_id=one.made.id, livemode=one.made.livemode)
        return [one.made.id for one in binds]

    monkeypatch.setattr(writes, "bind_all", bind_all)
    assert broken("success", Way.STALL_AFTER) == {"unexpected"}
    with without_trigger("payment_bound_for_good", on=Payment):
        assert "P1" in broken("success", Way.STALL_AFTER)


def test_confirming_before_the_binding_is_committed_is_seen(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: a charge that nobody would find again after a crash; two guards, as whoever is about to confirm looks."""

    def bind_all(binds: Sequence[Bind], *, now: datetime) -> list[str]:
        return [one.made.id for one in binds]

    def send_all(sends: Sequence[Send], *, now: datetime) -> list[Sending]:
        found = Attempt.objects.in_bulk([one.attempt for one in sends])
        return [Sending(key=one.idempotency_key, request=one.request) for one in (found[it.attempt] for it in sends)]

    monkeypatch.setattr(writes, "bind_all", bind_all)
    monkeypatch.setattr(writes, "send_all", send_all)
    assert "P1" in broken("success", Way.DIE_AFTER)


def test_believing_a_look_that_saw_no_payment_is_seen(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: what hasn't been carried out, or is still on its way, isn't a decline."""
    really = Settling._seen

    def seen(self: Any, intent: Intent, refusal: Declined | None) -> None:
        if intent.status == "requires_payment_method" and self.attempt.state in Attempt.OPEN:
            self._declined(Declined(code="card_declined"))
        else:
            really(self, intent, refusal)

    monkeypatch.setattr(steps, "NOT_PROVEN", ())
    monkeypatch.setattr(Settling, "_seen", seen)
    assert "P3" in broken("success", Way.DIE_BEFORE)


def test_failing_what_is_unknown_is_seen(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: a call without an answer says nothing."""

    def unknown(self: Any, why: str, **_: Any) -> None:
        self._failed(Attempt.State.REJECTED, declines.UNKNOWN_REJECTION, why)

    monkeypatch.setattr(Settling, "_unknown", unknown)
    assert "P3" in broken("reset after", Way.DIE_AFTER)


def test_committing_offsets_ahead_of_rows_is_seen(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: a death in between loses the record for ever."""

    def run_once(*, source: Source, stop: Any) -> int:
        delivered = source.take(limit=consumer.BATCH, seconds=0)

        def accept() -> None:
            if delivered:
                consumer._accept(source=source, delivered=delivered, stop=stop, floor={})

        source.commit(delivered, meanwhile=accept)
        return len(delivered)

    monkeypatch.setattr(consumer, "run_once", run_once)
    assert "P2" in broken("success", Way.DIE_AFTER)


def test_marking_before_the_acknowledgement_is_seen(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """P4: a death in between leaves an outcome untold."""
    really = relay._publish

    def publish(sink: Any, rows: Any, clock: Any) -> None:
        outbox.mark_published(ids=[row.id for row in rows], now=Payment.objects.values_list("accepted_at")[0][0])
        really(sink, rows, clock)

    monkeypatch.setattr(relay, "_publish", publish)
    assert "P4" in broken("success", Way.DIE_AFTER)


def test_telling_outside_of_the_settling_transaction_is_seen(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """P4: a death after the COMMIT leaves an outcome untold."""
    late: list[dict[str, Any]] = []
    really = outbox.tell

    def settle_then_tell(*settlements: Any, **when: Any) -> None:
        settle_all(*settlements, **when)
        while late:
            really(**late.pop())

    monkeypatch.setattr(outbox, "tell", lambda **arguments: late.append(arguments | {"among": None}))
    monkeypatch.setattr(writes, "settle_all", settle_then_tell)
    assert "P4" in broken("success", Way.DIE_AFTER)


def test_taking_a_200_for_a_success_is_seen(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: a PaymentIntent that is being processed isn't paid."""
    succeeded = Settling._succeeded
    monkeypatch.setattr(Settling, "_seen", lambda self, intent, _: succeeded(self, intent))
    assert "P3" in broken("processing", Way.DIE_AFTER)
