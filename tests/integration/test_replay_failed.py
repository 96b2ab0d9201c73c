"""`manage.py replay_failed`: a dry run unless told otherwise, and never what must not be tried again."""

import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from billing_project.dev.simulator import Simulator
from payments import charging, limits, tasks
from payments.gateway import Gateway
from payments.management.commands import replay_failed as command
from payments.models import Job, Payment, StaffEntry, Transition
from tests.conftest import Clock
from tests.integration.events import accept, event, record

pytestmark = pytest.mark.django_db

CARDS = {
    "poor": "pm_card_chargeDeclinedInsufficientFunds",
    "lost": "pm_card_chargeDeclinedLostCard",
    "sca": "pm_card_authenticationRequired",
    "paid": "pm_1",
}


@pytest.fixture
def payments(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> dict[str, Payment]:
    """One payment for each card, charged now, and one whose outcome is unknown."""
    clock.now = datetime.now(UTC)
    limits.connect_redis().flushdb()
    stripe.control.add_fault(kind="reset", endpoint="confirm", metadata={"subscription_id": "unknown"})
    for name, method in (CARDS | {"unknown": "pm_1"}).items():
        accept(record(event(name, method=method), at=clock()), now=clock())
    ids = list(Payment.objects.values_list("id", flat=True))
    charging.charge(payment_ids=ids, gateway=stripe_gateway, clock=clock)
    return {payment.subscription_id: payment for payment in Payment.objects.all()}


def run(*arguments: str) -> tuple[str, int]:
    """The command: what it prints, and its exit code."""
    out = StringIO()
    try:
        call_command("replay_failed", *arguments, stdout=out, stderr=StringIO())
    except SystemExit as ended:
        return out.getvalue(), int(str(ended.code))
    return out.getvalue(), 0


def replay(*arguments: str) -> str:
    """What it prints."""
    return run(*arguments)[0]


def test_a_dry_run_says_what_would_happen_and_changes_nothing(payments: dict[str, Payment]) -> None:
    """Sums by class; who is refused, and why, stands beside who isn't, and makes the exit code 3."""
    Payment.objects.filter(subscription_id="sca").update(closed_at=datetime.now(UTC), due_at=None)
    before = list(Payment.objects.order_by("id").values())
    printed, code = run()
    assert code == 3
    assert "1 would be tried again for 100.00\N{NO-BREAK SPACE}KZT.\n" in printed
    assert "       1  customer/soft/insufficient_funds  100.00\N{NO-BREAK SPACE}KZT\n" in printed
    for name, why in {
        "lost": "this payment method was declined for good: another one is needed",
        "sca": "it is closed: nothing more can be taken with it",
        "unknown": "its outcome is unknown: Stripe is being asked",
    }.items():
        assert f"1 refused: {why}. ({payments[name].id})\n" in printed
    assert "Nothing was changed. Add --yes to act." in printed
    assert list(Payment.objects.order_by("id").values()) == before
    assert tasks.queued(queue=limits.BACKLOG_QUEUE) == 0


def test_what_is_declined_too_often_is_refused_with_the_networks_reason(payments: dict[str, Payment]) -> None:
    """Card networks fine whoever overdoes it."""
    poor, now = payments["poor"], datetime.now(UTC)
    for number in range(2, 17):
        tried = {"asked_by": "event", "payment_method": "pm_1", "card": "card", "created_at": now}
        attempt = poor.attempts.create(number=number, **tried)
        poor.attempts.filter(id=attempt.id).update(state="declined", ended_at=now)
    printed, code = run("--code", "insufficient_funds")
    assert (code, "1 refused: this card was declined 15 times in 30 days" in printed) == (1, True)


def test_as_json_it_is_one_document(payments: dict[str, Payment]) -> None:
    """Amounts in major units, and all who are refused."""
    told = json.loads(replay("--json"))
    [one] = told["classes"]
    assert one == {
        "fault": "customer", "kind": "soft", "code": "insufficient_funds", "currency": "KZT", "count": 1,
        "amount": "100.00",
    }  # fmt: skip
    assert (told["state"], told["total"], told["refused"], told["sums"]) == ("draft", 4, 3, {"KZT": "100.00"})
    refused = {refusal["why"]: refusal["payments"] for refusal in told["refusals"]}
    assert refused["its outcome is unknown: Stripe is being asked"] == [str(payments["unknown"].id)]
    told = json.loads(replay("--job", str(told["job"]), "--yes", "--reason", "bank was down", "--json"))
    assert (told["state"], told["done"], told["outcomes"]) == ("done", 1, {"pending": 1})


def test_with_yes_they_are_due_now_rung_and_have_it_in_their_history(payments: dict[str, Payment]) -> None:
    """Only the one that may be tried again. Where no worker runs, or charging stands still, that is said."""
    charging.pause(cause="staff", reason="maintenance", who="aida", now=datetime.now(UTC))
    printed, code = run("--yes", "--reason", "bank was down")
    assert (code, "1 would be tried again for" in printed) == (3, True)
    assert f"Job {Job.objects.get().id} is done: 1 of 4 are tried again, 3 refused." in printed
    assert "Charging is paused, so that nothing is charged yet: maintenance" in printed
    assert "No worker is seen to run" in printed
    statuses = dict(Payment.objects.values_list("subscription_id", "status"))
    assert statuses == {"poor": "pending", "lost": "failed", "sca": "failed", "paid": "success", "unknown": "pending"}
    step = Transition.objects.filter(payment=payments["poor"]).latest("id")
    assert (step.who, step.why) == ("staff: command line", "bank was down")
    assert tasks.queued(queue=limits.BACKLOG_QUEUE) == 1


def test_after_a_restore_it_is_refused_until_adoption_has_asked(payments: dict[str, Payment]) -> None:
    """It would stand still without a word. What was judged is kept, and nothing has begun."""
    charging.pause(cause="restored", reason="restored", who="bridge", now=datetime.now(UTC))
    with pytest.raises(CommandError, match=r"manage\.py reconcile --adopt first") as refused:
        run("--yes", "--reason", "bank was down")
    assert refused.value.returncode == 1
    assert Job.objects.get().state == "draft"
    assert Payment.objects.get(id=payments["poor"].id).status == "failed"
    printed, _ = run()
    assert "Charging is paused, so that nothing is charged yet: restored" in printed


def test_a_restore_while_it_works_ends_it(payments: dict[str, Payment], monkeypatch: pytest.MonkeyPatch) -> None:
    """With how it stands, why, and how to go on."""
    begin = command.Command._begin

    def begin_and_restore(*args: Any) -> None:
        begin(*args)
        charging.pause(cause="restored", reason="restored", who="bridge", now=datetime.now(UTC))

    monkeypatch.setattr(command.Command, "_begin", begin_and_restore)
    printed, code = run("--yes", "--reason", "bank was down")
    job = Job.objects.get()
    assert (code, job.state) == (1, "running")
    assert "Charging is paused, so that nothing is charged yet: restored" in printed
    assert f"To see it to its end: manage.py replay_failed --job {job.id} --yes" in printed
    assert payments


def test_a_replay_charges_on_the_same_intent_and_tells_again(
    payments: dict[str, Payment], stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P1: another attempt, not another PaymentIntent."""
    poor = payments["poor"]
    stripe.control.add_payment_method(id="pm_rich")
    Payment.objects.filter(id=poor.id).update(payment_method="pm_rich")
    replay("--yes", "--code", "insufficient_funds", "--reason", "has money again")
    clock.now = datetime.now(UTC)
    charging.charge(payment_ids=[poor.id], gateway=stripe_gateway, clock=clock)
    poor.refresh_from_db()
    assert poor.status == "success"
    assert len(stripe.ledger.payment_intents_of("subscription_id", "poor")) == 1
    assert len(stripe.ledger.successes("poor")) == 1


# What is chosen of the four that failed or may have.
CHOSEN = [
    (["--since", "1h"], 4),
    (["--since", (datetime.now(UTC) + timedelta(days=1)).date().isoformat()], 0),
    (["--until", "1h"], 0),
    (["--code", "lost_card"], 1),
    (["--code", "lost_card", "--code", "insufficient_funds"], 2),
    (["--kind", "soft"], 1),
    (["--fault", "issuer", "--fault", "us"], 1),
    (["--kind", "hard", "--code", "insufficient_funds"], 0),
    (["--subscription", "poor", "--subscription", "paid"], 1),
    (["--user", "u_2"], 0),
    (["--user", "u_1", "--currency", "kzt"], 4),
    (["--currency", "USD"], 0),
    (["--currency", "KZT", "--min-amount", "100", "--max-amount", "100.00"], 4),
    (["--currency", "KZT", "--min-amount", "100.01"], 0),
    (["--currency", "KZT", "--max-amount", "99"], 0),
]


def test_what_is_chosen(payments: dict[str, Payment]) -> None:
    """What failed, or may have, by time, class, user, subscription and amount; nothing is exit code 1."""
    for arguments, count in CHOSEN:
        printed, code = run(*arguments)
        found = re.findall(r"^(\d+) (?:would|refused)", printed, re.MULTILINE)
        assert sum(map(int, found)) == count, arguments
        assert printed.startswith("No failed payment matches.") == (count == 0) <= (code == 1), arguments


def test_a_limit_counts_what_is_tried_the_oldest_failure_first(payments: dict[str, Payment]) -> None:
    """Or those who are refused, and stay where they are, would be in the way for ever."""
    now = datetime.now(UTC)
    for age, name in enumerate(["poor", "sca", "lost"]):
        Payment.objects.filter(id=payments[name].id).update(settled_at=now - timedelta(minutes=age), kind="soft")
    Payment.objects.filter(id=payments["lost"].id).update(kind="hard")
    told = json.loads(replay("--limit", "1", "--json"))
    assert (told["total"], told["refused"], told["waiting"]) == (2, 1, 1)


def test_a_file_of_ids_is_taken_at_its_word(payments: dict[str, Payment], tmp_path: Path) -> None:
    """By payment, subscription or PaymentIntent; what is paid is refused, with the reason."""
    file = tmp_path / "ids"
    poor, lost = payments["poor"], payments["lost"]
    file.write_text(f"# from the bank\n{poor.id}\n\n{lost.intent_id}  # Aida's\npaid\npoor\n")
    told = json.loads(replay("--ids", str(file), "--json"))
    assert (told["total"], told["waiting"]) == (3, 1)
    assert {refusal["why"].partition(":")[0] for refusal in told["refusals"]} == {
        "it is paid", "this payment method was declined for good",
    }  # fmt: skip
    assert json.loads(replay("--ids", str(file), "--kind", "soft", "--json"))["total"] == 1


def test_an_id_that_is_not_known_stops_all_of_them(payments: dict[str, Payment], tmp_path: Path) -> None:
    """With its line; nothing is tried again."""
    file = tmp_path / "ids"
    file.write_text("poor\nporr\n")
    with pytest.raises(CommandError, match="line 2: there is no payment porr"):
        replay("--ids", str(file), "--yes", "--reason", "bank was down")
    assert not Job.objects.exists()


def test_more_than_people_of_the_admin_may_do_alone_is_done_and_kept(
    payments: dict[str, Payment], settings: Any
) -> None:
    """Who sits at the server needs nobody else; the staff log and the job say who and why."""
    settings.APPROVAL_ABOVE_COUNT = 1
    Payment.objects.filter(status="failed").update(kind="soft")
    printed, _ = run("--yes", "--reason", "bank was down")
    assert "3 of 4 are tried again" in printed
    job = Job.objects.get()
    assert (job.asked_by, job.reason, job.approved_by) == ("staff: command line", "bank was down", "")
    entry = StaffEntry.objects.get()
    assert (entry.who, entry.what, entry.details["job"]) == ("staff: command line", "acted", job.id)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--since", "yesterday"], "argument --since: must be like 30m, 2h, 7d, 2026-01-31 or 2026-01-31T12:00"),
        (["--since", "2026-02-31"], "argument --since: day is out of range for month"),
        (["--limit", "0"], "argument --limit: must be a whole number above 0"),
        (["--limit", "many"], "argument --limit: must be a whole number above 0"),
        (["--yes"], "--yes needs a --reason: it is kept with every change"),
        (["--reason", " "], "argument --reason: must not be empty"),
        (["--yes", "--dry-run"], "argument --dry-run: not allowed with argument --yes"),
        (["--since", "1h", "--until", "2h"], "--since must be before --until"),
        (["--min-amount", "5"], "an amount needs one --currency"),
        (["--max-amount", "0.001", "--currency", "KZT"], "the amount has more decimals than KZT allows (2)"),
        (["--ids", "/nowhere"], "--ids: /nowhere can't be read: No such file or directory"),
        (["--job", "7"], "there is no job 7; a preview is thrown away after a day"),
        (["--job", "7", "--code", "x"], "a job has its payments: --job goes without what chooses others"),
    ],
)
def test_a_wrong_argument_is_one_line(arguments: list[str], line: str) -> None:
    """Names the option and the fix."""
    with pytest.raises(CommandError, match=re.escape(line)):
        replay(*arguments)


@pytest.mark.parametrize("name", ["paid", "unknown"])
def test_what_is_paid_or_unknown_can_not_be_replayed_by_any_way(payments: dict[str, Payment], name: str) -> None:
    """P1: refused where it is done, not only where it is chosen."""
    refusal = charging.replay(payment_id=payments[name].id, who="staff", reason="", now=datetime.now(UTC))
    assert isinstance(refusal, charging.NotReplayable)
    assert refusal.code == name


def test_a_closed_payment_can_not_be_replayed(payments: dict[str, Payment]) -> None:
    """Nothing leaves a closed payment."""
    poor = payments["poor"]
    Payment.objects.filter(id=poor.id).update(closed_at=datetime.now(UTC), due_at=None)
    refusal: Any = charging.replay(payment_id=poor.id, who="staff", reason="", now=datetime.now(UTC))
    assert refusal.code == "closed"
    assert isinstance(poor.id, uuid.UUID)
