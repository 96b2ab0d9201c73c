"""Whatever the customer or a log gave leads to its payments, each look-up by an index; and the command that does it."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing_project.dev.simulator import Simulator
from payments import explain, intake
from payments.explain import FoundPayments, FoundRecord, FoundWebhook
from payments.gateway import Gateway
from payments.models import Attempt, OutboxMessage, Payment, Refund, Webhook
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.parked_rows import conflict, dismiss, park, replay, value
from tests.integration.refunding import ask, carry_out, deliver, follow_up, pay

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> Payment:
    """Paid, refunded in part and disputed, beside another payment."""
    payment = pay(stripe_gateway, clock)
    ask(payment, clock, 100)
    carry_out(stripe_gateway, clock)
    stripe.control.dispute(payment_intent=payment.intent_id or "")
    deliver(stripe, clock, "charge.dispute.")
    follow_up(stripe_gateway, clock)
    accept(record(event("sub_2", user="u_2"), at=clock()), now=clock())
    payment.refresh_from_db()
    return payment


def only(payment: Payment) -> FoundPayments:
    """What is found when this one is, and no other."""
    return FoundPayments(ids=(payment.id,))


def run(*arguments: str) -> str:
    """The command's output."""
    out = StringIO()
    call_command("explain", *arguments, stdout=out)
    return out.getvalue()


def test_a_payment_is_found_by_whatever_belongs_to_it(paid: Payment) -> None:
    """Its ids here, and all of Stripe's; spaces from pasting do no harm."""
    refund, dispute = Refund.objects.get(), paid.disputes.get()
    place = paid.records.get()
    ids: list[Any] = [
        paid.id, "sub_1", "u_1", paid.intent_id, Attempt.objects.get(payment=paid).charge_id, refund.refund_id,
        refund.id, dispute.dispute_id, OutboxMessage.objects.get(payment=paid).message_id,
        f"{place.topic}:{place.partition}:{place.offset}", str(place), f"  {paid.intent_id}\n",
    ]  # fmt: skip
    for one in ids:
        assert explain.find(str(one)) == only(paid), one


def test_an_email_address_finds_all_its_payments_newest_first(paid: Payment, clock: Clock) -> None:
    """Two customers' subscriptions under one address; capitals do no harm."""
    accept(record(event("sub_3", user="u_3"), at=clock.advance(minutes=1)), now=clock())
    found = explain.find("A@b.kz")
    assert isinstance(found, FoundPayments)
    assert len(found.ids) == 3
    assert found.ids[0] == Payment.objects.get(subscription_id="sub_3").id


def test_of_many_payments_the_newest_are_shown(clock: Clock) -> None:
    """And that there are more."""
    for number in range(21):
        accept(record(event(f"sub_{number}"), at=clock.advance(seconds=1)), now=clock())
    found = explain.find("a@b.kz")
    assert isinstance(found, FoundPayments)
    assert (len(found.ids), found.more) == (20, True)
    assert "These are the newest 20; there are more." in run("a@b.kz")


@pytest.mark.parametrize(
    "unknown",
    ["", "  ", "sub_404", "pi_404", "ch_404", "re_404", "dp_404", "evt_404", "nobody@b.kz", "a\x00b", "topic:0:1",
     "payment.createInitial:0:999999", "00000000-0000-0000-0000-000000000000", "x" * 5_000],
)  # fmt: skip
def test_what_nobody_knows_is_not_found(paid: Payment, unknown: str) -> None:
    """No error, whatever is pasted."""
    assert explain.find(unknown) is None


def test_a_parked_record_tells_why_and_what_to_do(clock: Clock) -> None:
    """It has no payment to tell of."""
    row = park(b"<xml/>", clock)
    found = explain.find(f"{row.topic}:{row.partition}:{row.offset}")
    assert found == FoundRecord(record=row)
    told = explain.explain_record(row)
    assert told.what == "It can't be understood, so nothing was charged for it."
    assert told.next_step.startswith("Correct the record")
    assert "value: is XML or HTML" in explain.as_text(told)


def test_a_conflict_is_told_by_its_place_and_on_its_payments_time_line(clock: Clock) -> None:
    """Who asks about the payment sees that something was set aside, and what somebody made of it."""
    payment, row = conflict(clock)
    told = explain.explain_record(row)
    assert told.what.startswith("It asks for a payment that contradicts the one we have.")
    assert told.payment == payment.id
    dismiss(row, clock)
    row.refresh_from_db()
    assert "Somebody decided" in explain.explain_record(row).what
    events = explain.explain(payment_id=payment.id, now=clock()).events
    assert any("set aside" in one.text and one.kind == "record" for one in events)
    assert [one.who for one in events if one.kind == "staff"] == ["aida"]


def test_a_replayed_record_leads_to_its_payment(clock: Clock) -> None:
    """It was corrected, and is a payment now; that it was set aside stays visible."""
    row = park(event(price="abc"), clock)
    replay(row, clock, corrected=value())
    payment = Payment.objects.get()
    assert explain.find(f"{row.topic}:{row.partition}:{row.offset}") == only(payment)
    events = explain.explain(payment_id=payment.id, now=clock()).events
    assert any("agreed by phone" in one.text for one in events if one.kind == "staff")


def test_a_webhook_is_told_with_the_payment_that_it_is_about(paid: Payment, clock: Clock) -> None:
    """What it was worth; and of one about nothing of ours, that."""
    webhook = Webhook.objects.latest("id")
    found = explain.find(webhook.event_id)
    assert found == FoundWebhook(webhook=webhook)
    assert explain.explain_webhook(webhook).payment == paid.id
    foreign = Webhook.objects.create(
        event_id="evt_foreign", type="charge.succeeded", intent_id="pi_foreign", livemode=False, verdict="foreign",
        received_at=clock(), handled_at=clock(),
    )  # fmt: skip
    told = explain.explain_webhook(foreign)
    assert told.payment is None
    assert told.next_step == "Nothing: it is not about a payment of ours."
    assert explain.find("pi_foreign") == FoundWebhook(webhook=foreign)


def test_each_look_up_uses_an_index(paid: Payment) -> None:
    """Support waits on the telephone while a million payments lie around: no table is read from end to end."""
    place = paid.records.get()
    ids = [
        str(paid.id), "sub_1", "u_1", "a@b.kz", str(paid.intent_id), Attempt.objects.get(payment=paid).charge_id,
        str(Refund.objects.get().refund_id), paid.disputes.get().dispute_id, Webhook.objects.latest("id").event_id,
        OutboxMessage.objects.get(payment=paid).message_id, f"{place.topic}:{place.partition}:{place.offset}",
    ]  # fmt: skip
    with CaptureQueriesContext(
        connection,
    ) as captured:
        for one in ids:
            explain.find(one)
    with connection.cursor() as cursor:
        # Of few rows PostgreSQL would rather read all: what is asked here is whether an index can serve.
        cursor.execute("SET LOCAL enable_seqscan = off")
        for query in captured.captured_queries:
            cursor.execute("EXPLAIN " + query["sql"])
            plan = "\n".join(row[0] for row in cursor.fetchall())
            for line in plan.splitlines():
                assert "Seq Scan" not in line or "payments_position" in line, (query["sql"], plan)


def test_the_command_tells_the_story_with_the_words_of_the_page(paid: Payment) -> None:
    """Headline first."""
    told = run(str(paid.intent_id))
    first = explain.explain(payment_id=paid.id, now=paid.created_at).conclusion.headline
    assert told.splitlines()[0] == first
    assert f"https://dashboard.stripe.com/test/payments/{paid.intent_id}" in told
    assert "What happened" in told


def test_the_command_prints_json_for_programs(paid: Payment) -> None:
    """One document with all that is found."""
    document = json.loads(run("sub_1", "--json"))
    [told] = document["found"]
    assert document["more"] is False
    assert told["payment"] == str(paid.id)
    assert told["conclusion"]["taken"] == "yes"
    assert told["conclusion"]["headline"].startswith("Paid, and refunded in part.")
    assert told["events"][0]["kind"] == "record"


def test_the_command_tells_of_webhooks_and_records(paid: Payment, clock: Clock) -> None:
    """A webhook's payment follows it."""
    assert str(paid.id) in run(Webhook.objects.latest("id").event_id)
    row = park(b"<xml/>", clock)
    assert "A record that was set aside" in run(str(row))


def test_the_command_says_clearly_that_nothing_is_known() -> None:
    """Exit code 1 with one line."""
    with pytest.raises(CommandError, match=r"^nothing is known by sub_404: give it whole"):
        run("sub_404")


def test_what_came_from_outside_does_not_steer_the_terminal(clock: Clock) -> None:
    """An escape sequence in what somebody typed."""
    payment, row = conflict(clock)
    intake.dismiss(record_id=row.id, who="staff: aida", why="a\x1b[2Jb", now=clock())
    told = run(str(payment.id))
    assert "\x1b" not in told
    assert "a\\x1b[2Jb" in told
