"""`manage.py drain`: what it waits for, what it doesn't, and that it stays paused until somebody resumes."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from payments import charging
from payments.management.commands import drain
from payments.models import OutboxMessage, Pause, Payment, Refund, Subscription
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.kafka_client import wait_until
from tests.integration.ledger_rows import PAID, attempt, payment, refund

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "LOOK_EVERY", 0.05)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[list[str], int]:
    """What it prints, and its exit code."""
    try:
        call_command("drain", *arguments)
        code = 0
    except SystemExit as ended:
        code = int(str(ended.code))
    return capsys.readouterr().out.splitlines(), code


def in_hand(**fields: Any) -> Payment:
    """A payment that a worker has claimed."""
    lease = datetime.now(UTC) + timedelta(seconds=60)
    taken = payment(**({"lease_until": lease} | fields))
    attempt(taken)
    return taken


def untold() -> OutboxMessage:
    """An outcome that the relay hasn't published."""
    return OutboxMessage.objects.create(message_id="1", channel="notifications", created_at=datetime.now(UTC))


def test_with_nothing_in_hand_it_pauses_and_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    """What is due waits, and so does what is not known yet; `resume` undoes it."""
    payment()
    assert run(capsys, "--reason", "new version") == (
        [
            "Charging is paused.", "In hand: 0 payments, 0 refunds; not told yet: 0.",
            "In hand: 0 payments, 0 refunds; not told yet: 0.",
            "Nothing is in hand: stop the processes. manage.py resume goes on.",
        ],
        0,
    )  # fmt: skip
    assert Pause.objects.get(ended_at__isnull=True).reason == "new version"
    assert run(capsys)[0][0] == "Charging was paused already."
    call_command("resume")
    assert not charging.is_paused()


def test_it_waits_for_payments_refunds_and_what_is_untold() -> None:
    """Each by its row; the line says what still waits."""
    taken, waiting = in_hand(), untold()
    returned = refund(
        payment=payment(**PAID, subscription_id=other()), lease_until=datetime.now(UTC) + timedelta(seconds=60)
    )
    out = StringIO()
    with ThreadPoolExecutor(1) as threads:
        draining = threads.submit(drained, out)
        wait_until(
            lambda: "1 payments, 1 refunds; not told yet: 1." in out.getvalue(), what="it says what it waits for"
        )
        assert not draining.done()
        Payment.objects.filter(id=taken.id).update(lease_until=None)
        Refund.objects.filter(id=returned.id).update(lease_until=None)
        assert not draining.done()
        OutboxMessage.objects.filter(id=waiting.id).update(published_at=datetime.now(UTC))
        assert draining.result(30) == 0
    assert out.getvalue().splitlines()[-1] == "Nothing is in hand: stop the processes. manage.py resume goes on."


def other() -> str:
    """Another subscription than the one of the examples."""
    return Subscription.objects.create(id="sub_2").id


def drained(out: StringIO) -> int:
    """The exit code, on a connection of its own."""
    try:
        call_command("drain", "--within", "30", stdout=out)
    except SystemExit as ended:
        return int(str(ended.code))
    finally:
        connections.close_all()
    return 0


def test_what_still_waits_at_the_end_is_said_and_charging_stays_paused(capsys: pytest.CaptureFixture[str]) -> None:
    """For a script: another exit code, and numbers."""
    in_hand()
    untold()
    lines, code = run(capsys, "--within", "1", "--json")
    assert code == 3
    assert [json.loads(line) for line in lines] == [
        {"payments": 1, "refunds": 0, "untold": 1, "unknown": 0, "jobs": 0, "drained": False}
    ]
    assert charging.is_paused()


def test_a_lease_that_is_over_is_no_hand(capsys: pytest.CaptureFixture[str]) -> None:
    """Its worker is gone, and the next one asks Stripe; nor is a payment that rests."""
    in_hand(lease_until=datetime.now(UTC) - timedelta(seconds=1))
    assert run(capsys, "--within", "1")[1] == 0


def test_a_dry_run_pauses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """And says what there is."""
    in_hand()
    lines, code = run(capsys, "--dry-run")
    assert (lines, code) == (["In hand: 1 payments, 0 refunds; not told yet: 0.", "Nothing was changed."], 0)
    assert not charging.is_paused()
    with pytest.raises(CommandError, match="must be a whole number above 0"):
        call_command("drain", "--within", "soon")


def test_what_is_due_is_not_taken_while_it_is_drained(
    clock: Clock, stripe_gateway: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Intake goes on, and nothing of it is charged before `resume`."""
    run(capsys)
    accept(record(event(), at=clock()), now=clock())
    made = Payment.objects.get()
    assert charging.charge(payment_ids=[made.id], gateway=stripe_gateway, clock=clock) == 0
    call_command("resume")
    assert charging.charge(payment_ids=[made.id], gateway=stripe_gateway, clock=clock) == 1


def test_ctrl_c_says_how_to_go_on() -> None:
    """One line, exit code 130, and charging stays paused."""
    in_hand()
    database = urlsplit(os.environ["TEST_DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    process = subprocess.Popen(
        [sys.executable, "manage.py", "drain", "--json"], cwd=ROOT,
        env=os.environ | {"DATABASE_URL": database.geturl()}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        wait_until(charging.is_paused, what="charging is paused")
        process.send_signal(signal.SIGINT)
        told, said = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert "stays paused" in json.loads(told)["error"]
    assert said.splitlines()[-1] == (
        "CommandError: charging stays paused. manage.py drain goes on waiting, manage.py resume undoes it."
    )
    assert charging.is_paused()
