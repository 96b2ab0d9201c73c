"""`manage.py import_payments`: what the replaced service has charged is paid here, too, and never charged again."""

import io
import json
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from stripe import StripeClient

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.gateway import Gateway
from payments.models import InboxMessage, OutboxMessage, Payment, Subscription, Transition
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.refunding import ask, rest
from tests.integration.stripe_contract import pay

HEAD = "subId,price,currency,transactionId,paidAt,userId,email,plan"
LINE = "sub_1,100,kzt,pi_1,2026-01-30T12:00:00+05:00,u_1,a@b.kz,gold"


def write(folder: Path, *lines: str) -> str:
    """A file of these lines."""
    path = folder / "paid.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def run(*arguments: str) -> str:
    """What it prints."""
    out = io.StringIO()
    call_command("import_payments", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_an_imported_subscription_is_paid_and_an_event_about_it_is_a_duplicate(tmp_path: Path, clock: Clock) -> None:
    """P1: whatever the event's time. Its history says who and why; nobody is told."""
    run(write(tmp_path, HEAD, LINE), "--reason", "cutover", "--yes")
    payment = Payment.objects.get()
    assert (payment.status, payment.amount, payment.currency) == ("success", 10000, "KZT")
    assert (payment.intent_id, payment.user_id, payment.email) == ("pi_1", "u_1", "a@b.kz")
    assert payment.settled_at == payment.created_at == datetime(2026, 1, 30, 7, 0, tzinfo=UTC)
    step = Transition.objects.get()
    assert (step.from_status, step.to_status, step.who) == ("", "success", "staff: command line")
    assert (step.why, step.evidence["why"], step.evidence["line"]) == ("paid by the service before", "cutover", 2)
    old, new = datetime(2026, 1, 1, tzinfo=UTC), clock()
    assert accept(record(event(), at=old), record(event(method="pm_other"), at=new), now=clock()).due == []
    rows = InboxMessage.objects.order_by("id").values_list("verdict", "reason")
    assert list(rows) == [("duplicate", "the subscription was paid by the service before")] * 2
    accept(record(event(price=200), at=clock.advance(days=1)), now=clock())
    assert InboxMessage.objects.latest("id").verdict == "conflict"
    assert Payment.objects.count() == 1
    assert OutboxMessage.objects.exclude(channel="dead_letters").count() == 0


@pytest.mark.django_db(transaction=True)
def test_a_long_file_is_judged_piece_by_piece_and_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some read a million lines; it is one transaction all the same."""
    monkeypatch.setattr(import_module("payments.intake.import_paid"), "AT_ONCE", 2)
    monkeypatch.setattr("payments.management.progress.LINE_EVERY", 0.0)
    lines = [LINE.replace("sub_1", f"sub_{number}").replace("pi_1", f"pi_{number}") for number in range(5)]
    said = io.StringIO()
    call_command("import_payments", write(tmp_path, HEAD, *lines), "--yes", stdout=io.StringIO(), stderr=said)
    assert said.getvalue().splitlines() == ["Judged: 2 of 5", "Judged: 4 of 5", "Judged: 5 of 5"]
    assert Payment.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_running_it_twice_changes_nothing(tmp_path: Path) -> None:
    """And a file that has grown adds what is new. In JSON the ids keep their type."""
    path = write(tmp_path, HEAD, LINE)
    assert run(path, "--yes") == "1 paid subscriptions are imported, 0 are known already.\n"
    before = list(Payment.objects.values())
    assert run(path, "--yes") == "0 paid subscriptions are imported, 1 are known already.\n"
    assert list(Payment.objects.values()) == before
    told = {"price": 99.9, "currency": "KZT", "transactionId": "pi_2", "paidAt": "2026-01-30T12:00Z", "userId": 7}
    known = {"subId": "sub_1", "userId": "u_1", "price": "100", "transactionId": "pi_1"}
    path = write(tmp_path, json.dumps(told | {"subId": 2}), "", json.dumps(told | known))
    assert run(path, "--yes") == "1 paid subscriptions are imported, 1 are known already.\n"
    new = Payment.objects.get(subscription_id="2")
    assert (new.subscription_as_sent, new.user_as_sent, new.amount) == (2, {"id": 7}, 9990)
    assert Transition.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_dry_run_judges_all_and_keeps_nothing(tmp_path: Path) -> None:
    """It is what it does unless it is told otherwise."""
    out = run(write(tmp_path, HEAD, LINE))
    assert out.splitlines() == [
        "1 paid subscriptions would be imported, 0 are known already.",
        "Nothing was changed. Add --yes to act.",
    ]
    assert (Payment.objects.count(), Subscription.objects.count()) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_nothing_is_imported_if_any_line_is_bad(tmp_path: Path) -> None:
    """P1: a line that was left out would be charged again. Each is named with its field and the fix."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    path = write(
        tmp_path, HEAD, LINE,
        "sub_2,0,KZT,pi_2,2026-01-30T12:00Z,u_2,,",
        "sub_3,1.001,KZT,ch_3,2026-01-30T12:00,,,",
        ",12a,TENGE,pi_4,yesterday,u_4,,",
        f"sub_5,1,KZT,pi_5,{tomorrow},u_5,,",
        "sub_1,100,KZT,pi_6,2026-01-30T12:00Z,u_1,,",
        "sub_7,100,KZT,pi_1,2026-01-30T12:00Z,u_1,,",
    )  # fmt: skip
    with pytest.raises(CommandError) as refusal:
        run(path, "--yes")
    assert str(refusal.value).splitlines() == [
        "nothing was imported:",
        "line 3: price: must be greater than 0",
        "line 4: transactionId: must be the id of Stripe's PaymentIntent (pi_…); "
        "paidAt: has no time zone: write 2026-01-31T12:00:00Z for UTC; userId: is missing",
        "line 5: subId: is missing; price: must be a number like 100 or 99.90; "
        "currency: must be a currency's three letters; paidAt: must be a time like 2026-01-31T12:00:00Z",
        "line 6: paidAt: is in the future: give the time at which it was paid",
        "line 7: subId: is that of line 2, too: keep one of them",
        "line 8: transactionId: is that of line 2, too: keep one of them",
    ]
    assert Payment.objects.count() == 0


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["subId;price", "sub_1;100"], "line 1: the header must name currency, paidAt, price, subId, transactionId, "),
        (["{}", "[]", "{"], "line 2: must be a JSON object\nline 3: is no JSON"),
    ],
)
def test_a_file_of_another_form_says_what_it_lacks(tmp_path: Path, lines: list[str], problem: str) -> None:
    """Before the database is asked."""
    with pytest.raises(CommandError) as refusal:
        run(write(tmp_path, *lines))
    assert problem in str(refusal.value)


@pytest.mark.django_db(transaction=True)
def test_what_contradicts_the_ledger_is_refused(tmp_path: Path, clock: Clock) -> None:
    """P1, P3: a payment that is under way here isn't declared paid, and an intent pays for one subscription."""
    run(write(tmp_path, HEAD, LINE), "--yes")
    accept(record(event("sub_2"), at=clock()), now=clock())
    path = write(
        tmp_path, HEAD,
        LINE.replace("pi_1", "pi_9"),
        LINE.replace("sub_1", "sub_2").replace("pi_1", "pi_2"),
        LINE.replace("sub_1", "sub_3"),
        LINE.replace("sub_1", "sub_4").replace("pi_1", "pi_4"),
    )  # fmt: skip
    with pytest.raises(CommandError) as refusal:
        run(path, "--yes")
    _, other_intent, under_way, others_intent = str(refusal.value).splitlines()
    assert other_intent.startswith("line 2: transactionId: the subscription is paid here with pi_1")
    assert under_way.startswith("line 3: subId: has a payment here that is pending")
    assert others_intent == "line 4: transactionId: is that of subscription sub_1: an intent pays for one"
    assert not Payment.objects.filter(subscription_id="sub_4").exists()
    with pytest.raises(CommandError, match="line 2: price, currency, userId: are others than in the payment"):
        run(write(tmp_path, HEAD, LINE.replace("100", "200")), "--yes")


@pytest.mark.django_db(transaction=True)
def test_a_payment_that_was_closed_here_makes_room_for_the_one_that_was_charged_before(
    tmp_path: Path, clock: Clock, stripe_gateway: Gateway
) -> None:
    """An event came too early: staff close its payment, and import."""
    accept(record(event(), at=clock()), now=clock())
    first = Payment.objects.get()
    charging.close(payment_id=first.id, who="staff", reason="charged before", gateway=stripe_gateway, now=clock())
    run(write(tmp_path, HEAD, LINE), "--yes")
    assert list(Payment.objects.order_by("number").values_list("number", "status")) == [(1, "failed"), (2, "success")]


@pytest.mark.django_db(transaction=True)
def test_an_imported_payment_is_refunded_as_any_other(
    tmp_path: Path, clock: Clock, stripe: Simulator, stripe_gateway: Gateway
) -> None:
    """Though its PaymentIntent doesn't know us."""
    client = StripeClient("sk_test_other", base_addresses={"api": stripe.url}, max_network_retries=0)
    intent = pay(client, amount=10_000, currency="kzt").id
    run(write(tmp_path, HEAD, LINE.replace("pi_1", intent)), "--yes")
    ask(Payment.objects.get(), clock, amount=4_000)
    assert rest(stripe_gateway, clock) == ["succeeded"]
    payment = Payment.objects.get()
    assert (payment.refunded, payment.attention) == (4_000, "")


@pytest.mark.django_db(transaction=True)
def test_thousands_of_lines_take_seconds(tmp_path: Path) -> None:
    """In one transaction, whatever their number."""
    lines = (f"sub_{n},100,KZT,pi_{n},2026-01-30T12:00Z,u_{n},u{n}@b.kz," for n in range(3_000))
    assert run(write(tmp_path, HEAD, *lines), "--yes").startswith("3000 paid subscriptions are imported")
    assert Payment.objects.filter(status="success").count() == Transition.objects.count() == 3_000
