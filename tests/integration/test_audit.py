"""`manage.py audit`: what breaks a promise is found and named, and nothing else is."""

import json
import threading
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from billing_project.dev.simulator import Simulator
from payments import charging, refunds
from payments.audit import CHECKS, audit
from payments.gateway import Gateway
from payments.models import OutboxMessage, Payment
from tests.conftest import Clock
from tests.integration.desk import settle_each
from tests.integration.events import accept, event, record
from tests.integration.ledger_rows import restoring
from tests.integration.old_rows import prune

pytestmark = pytest.mark.django_db

# By the name of the check: what a hand at a psql prompt could do to a database whose guards are away.
BREAKS = {
    block.partition("\n")[0]: block.partition("\n")[2]
    for block in Path(__file__).with_name("breaks.sql").read_text().split("\n\n-- ")[1:]
}
# Those that time breaks.
LATE = ("the relay publishes", "unknown is shown", "somebody's turn comes", "refunds are shown")


@pytest.fixture
def ledger(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> dict[str, Payment]:
    """Something of everything, all of it told; half a minute ago, by the real clock, as the command has no other."""
    clock.now = datetime.now(UTC) - timedelta(seconds=30)
    payments = settle_each(stripe, stripe_gateway, clock)
    for value in (event("paid", price=200), b"no event", event("closed", method="pm_card_chargeDeclined")):
        accept(record(value, at=clock.advance(seconds=1)), now=clock())
    closed = Payment.objects.get(subscription_id="closed")
    charging.charge(payment_ids=[closed.id], gateway=stripe_gateway, clock=clock)
    charging.close(payment_id=closed.id, who="aida", reason="wrong", gateway=stripe_gateway, now=clock())
    refunds.request(payment_id=payments["paid"].id, amount=1_250, who="aida", reason="agreed", now=clock())
    refunds.carry_out(refund_ids=refunds.find_due(now=clock(), limit=9), gateway=stripe_gateway, clock=clock)
    OutboxMessage.objects.update(published_at=clock())
    return payments


def broken(now: datetime) -> dict[str, tuple[int, tuple[str, ...]]]:
    """The checks that don't hold, by name: how many, and the first ids."""
    return {one.check.name: (one.count, one.first) for one in audit(now=now) if not one.holds}


def run(*arguments: str) -> tuple[str, int]:
    """The command: what it prints, and its exit code."""
    out = StringIO()
    try:
        call_command("audit", *arguments, stdout=out, stderr=StringIO())
    except SystemExit as ended:
        return out.getvalue(), int(str(ended.code))
    return out.getvalue(), 0


def test_a_ledger_that_the_product_has_written_holds_every_promise(ledger: dict[str, Payment]) -> None:
    """One line for each check, exit code 0."""
    printed, code = run()
    *lines, last = printed.splitlines()
    assert (code, last) == (0, f"{len(CHECKS)} checks: all hold.")
    assert [line[:10] for line in lines] == [f"OK      {check.promise}" for check in CHECKS]


def test_an_empty_database_holds_every_promise() -> None:
    """Nothing was promised yet."""
    assert broken(datetime.now(UTC)) == {}


def test_every_check_is_shown_to_find_what_it_is_for() -> None:
    """None may be added that was never seen to fail."""
    assert set(BREAKS) == {check.name for check in CHECKS}
    assert {check.promise for check in CHECKS} == {"P1", "P2", "P3", "P4", "P5"}


def test_what_breaks_a_promise_is_found_though_no_guard_holds_it(ledger: dict[str, Payment], clock: Clock) -> None:
    """With triggers, foreign keys and, where need be, constraints away, as after a restore that went wrong."""
    assert broken(clock()) == {}
    found = {}
    for name, statements in BREAKS.items():
        with restoring(), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(statements)
            found[name] = broken(clock() + timedelta(minutes=11 if name in LATE else 0)).get(name, (0, ()))
            transaction.set_rollback(True)
    assert [name for name, (count, first) in found.items() if not count >= len(first) > 0] == []


def test_a_refused_attempt_is_told_once_whatever_becomes_of_its_payment(
    ledger: dict[str, Payment], stripe_gateway: Gateway, clock: Clock
) -> None:
    """Who is closed after that waits for no other word; who never had the first one is missed."""
    lost = ledger["lost"]
    accept(record(event("lost", method="pm_card_chargeDeclinedLostCard"), at=clock.advance(seconds=1)), now=clock())
    assert lost.attempts.get(number=2).state == "refused"
    refused = OutboxMessage.objects.filter(payment=lost).latest("id")
    OutboxMessage.objects.update(published_at=clock())
    clock.advance(seconds=1)
    charging.close(payment_id=lost.id, who="aida", reason="off", gateway=stripe_gateway, now=clock())
    assert Payment.objects.get(id=lost.id).closed_at == clock()
    assert broken(clock()) == {}
    with restoring():
        OutboxMessage.objects.filter(id=refused.id).delete()
    assert broken(clock()) == {"outcomes are told": (1, (str(lost.id),))}


def test_what_is_broken_is_named_by_its_id_and_by_the_exit_code(ledger: dict[str, Payment]) -> None:
    """3, for scripts; and one document."""
    with connection.cursor() as cursor, restoring():
        cursor.execute(BREAKS["a success is believed"])
    printed, code = run()
    assert (code, "are BROKEN" in printed) == (3, True)
    line = "BROKEN  P3  a success is believed: a payment with a succeeded attempt is paid"
    assert f"{line}\n          1: {ledger['poor'].id}\n" in printed
    printed, code = run("--json")
    told: dict[str, Any] = json.loads(printed)
    [one] = [check for check in told["checks"] if check["name"] == "a success is believed"]
    assert (code, told["holds"], one["first"]) == (3, False, [str(ledger["poor"].id)])


def test_what_waits_while_charging_is_paused_is_not_late(ledger: dict[str, Payment], clock: Clock) -> None:
    """P5 begins when faults end."""
    charging.pause(cause="staff", reason="maintenance", who="aida", now=clock())
    assert "unknown is shown" not in broken(clock() + timedelta(hours=1))
    charging.resume(cause="staff", who="aida", now=clock() + timedelta(hours=1))
    assert "unknown is shown" not in broken(clock() + timedelta(minutes=61))
    assert "unknown is shown" in broken(clock() + timedelta(minutes=66))


def test_what_was_published_long_ago_may_be_gone(ledger: dict[str, Payment], clock: Clock) -> None:
    """The oldest are pruned first: only what is younger than the oldest that is left must be there."""
    newest = OutboxMessage.objects.filter(channel="notifications").latest("created_at")
    OutboxMessage.objects.filter(channel="notifications", created_at__lt=newest.created_at).delete()
    assert broken(clock()) == {}


@pytest.mark.django_db(transaction=True)
def test_all_checks_see_the_same_moment_and_none_can_change_it(ledger: dict[str, Payment], clock: Clock) -> None:
    """Live traffic goes on beside it, and what it does half-way through isn't taken for a break."""

    def break_it() -> None:
        try:
            with connection.cursor() as cursor, restoring():
                cursor.execute(BREAKS["a success is believed"])
        finally:
            connection.close()

    looking = audit(now=clock())
    assert next(looking).holds
    meanwhile = threading.Thread(target=break_it)
    meanwhile.start()
    meanwhile.join(30)
    assert all(one.holds for one in looking)
    assert list(broken(clock())) == ["a success is believed"]
    looking = audit(now=clock())
    next(looking)
    with pytest.raises(DatabaseError, match="read-only transaction"):
        Payment.objects.update(attention="x")
    looking.close()


def test_what_was_pruned_is_not_missed(ledger: dict[str, Payment], clock: Clock, settings: Any) -> None:
    """Rows of payments that don't rest stay, however old: the oldest that is there says nothing of the others."""
    settings.KEEP_INBOX = settings.KEEP_OUTBOX = settings.KEEP_WEBHOOKS = settings.KEEP_JOBS = timedelta(days=1)
    later = clock() + timedelta(days=100)
    before = broken(later)
    counts = prune(later)
    assert counts["told"] > 0
    assert OutboxMessage.objects.filter(payment__status="failed").exists()
    assert broken(later) == before
