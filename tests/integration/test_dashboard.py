"""The front page: its numbers are those of the rows, and each leads to the list behind it."""

import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from billing_project.dev.simulator import Simulator
from payments import charging, limits, metrics
from payments.admin.banners import lookout
from payments.limits import gauges
from payments.metrics import Period
from payments.models import CountedUntil, Heartbeat, OutboxMessage
from tests.integration.books import Books
from tests.integration.events import accept, event, record
from tests.integration.refunding import deliver, follow_up
from tests.integration.watching import free_port

pytestmark = pytest.mark.django_db
NBSP = "\N{NO-BREAK SPACE}"


@pytest.fixture(scope="module")
def _simulator() -> Iterator[Simulator]:
    """Of these tests alone: its clock is the real one, as the pages' is, and other tests have moved theirs."""
    with Simulator(seed=1) as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def _look_anew() -> Iterator[None]:
    """Banners of another test aren't ours, nor is its Redis."""
    lookout.forget()
    limits.connect_redis().flushdb()
    yield
    lookout.forget()


@pytest.fixture
def staff(client: Client) -> Client:
    """A superuser."""
    client.force_login(User.objects.create_superuser("aida", password="a long enough password"))
    return client


@pytest.fixture
def busy(books: Books) -> Books:
    """Some of everything that the page has a number for."""
    paid = books.paid("paid 1")
    books.paid("paid 2", currency="USD", price=5)
    books.take_in("declined", method="pm_card_chargeDeclined")
    books.take_in("no money", method="pm_card_chargeDeclinedInsufficientFunds")
    books.charge()
    books.stray(payment_id="00000000-0000-4000-8000-000000000000", subscription_id="lost")
    books.compare()
    books.stripe.control.dispute(payment_intent=paid.intent_id or "")
    deliver(books.stripe, books.clock, "charge.dispute.")
    follow_up(books.gateway, books.clock)
    books.stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after")
    books.charge(books.take_in("unknown"))
    long_ago = datetime.now(UTC) - timedelta(hours=3, minutes=30)
    accept(record(event("slow"), at=long_ago), now=long_ago)
    accept(record(b"poison", at=books.clock()), now=books.clock())
    accept(record(event("paid 1", price=101), at=books.advance(seconds=1)), now=books.clock())
    OutboxMessage.objects.filter(id=OutboxMessage.objects.earliest("id").id).update(refused_at=books.clock())
    metrics.count_hours(clock=books.clock)
    return books


def numbers_of(context: Any) -> Iterator[tuple[str, str, str]]:
    """Every number on the page that leads somewhere: what it is, how it reads, where it leads."""
    for card in (*context["open"], *context["over"]):
        yield card.label, card.value, card.link
    for one in context["currencies"]:
        yield one["currency"], one["payments"], one["payments_link"]
    for reason in context["reasons"]:
        yield reason.code, reason.payments, reason.link
    for drawn in context["chart"].columns:
        if drawn.column.total == "0":
            continue
        yield drawn.column.span, drawn.column.total, drawn.column.link
        for part in drawn.column.parts:
            yield f"{drawn.column.span} {part.name}", part.text, part.link


def test_each_number_leads_to_the_list_of_what_it_counts(staff: Client, busy: Books) -> None:
    """In each period: the list has as many rows as the number says."""
    for period in Period:
        page = staff.get("/admin/", {"period": period.value})
        assert page.status_code == 200
        checked = 0
        for label, value, link in numbers_of(page.context):
            listed = staff.get(link)
            assert listed.status_code == 200, (label, link)
            number = re.sub(r"\D", "", value) if value[:1].isdigit() and "%" not in value else ""
            if number and label != "Oldest pending":
                assert listed.context["cl"].result_count == int(number), (period, label, link)
                checked += 1
        assert checked >= 15


def test_what_waits_is_shown_with_its_number(staff: Client, busy: Books) -> None:
    """Each as it was made."""
    page = staff.get("/admin/")
    assert {card.label: card.value for card in page.context["open"]} == {
        "Oldest pending": f"3{NBSP}hours", "Unknown outcome": "1", "Need a look": "1", "Refunds to look at": "0",
        "Conflicts": "1", "Unreadable records": "1", "Differences from Stripe": "1", "Disputes to answer": "1",
    }  # fmt: skip
    [slow] = staff.get(page.context["open"][0].link).context["cl"].result_list
    assert slow.subscription_id == "slow"
    [unknown] = staff.get(page.context["open"][1].link).context["cl"].result_list
    assert unknown.subscription_id == "unknown"
    assert [line["value"] for line in page.context["machinery"] if line["label"] == "Refused by Kafka"] == ["1"]


def test_the_page_reads_as_text(staff: Client, busy: Books) -> None:
    """Amounts in the currency's own form, reasons in words, and tables beside the drawings."""
    text = staff.get("/admin/").content.decode()
    for part in (
        f"50.0{NBSP}%",
        f"100.00{NBSP}KZT",
        f"5.00{NBSP}USD",
        "insufficient_funds",
        "not enough money",
        "As of",
    ):
        assert part in text, part
    assert text.count("<svg") == text.count('aria-hidden="true" focusable="false"')
    ours = text.partition('<div class="dashboard">')[2].partition('id="machinery"')[0]
    assert ours
    assert not re.search(r"<script|\son\w+=|\sstyle=", ours)


def test_an_empty_database_says_what_to_do(staff: Client) -> None:
    """On the first day, before anything was counted, and after."""
    assert "Nothing was counted yet" in staff.get("/admin/").content.decode()
    metrics.count_hours(clock=lambda: datetime.now(UTC))
    page = staff.get("/admin/")
    assert "No payments came in during this time" in page.content.decode()
    assert {card.value for card in page.context["open"]} == {"0", "none"}


def test_old_numbers_are_shown_as_old(staff: Client) -> None:
    """Where no worker counts, nobody shall believe that nothing happens."""
    CountedUntil.objects.create(id=1, counted_at=datetime.now(UTC) - timedelta(minutes=2))
    assert "nobody has counted since" in staff.get("/admin/").content.decode()


def test_without_redis_the_page_comes_and_says_so(staff: Client, settings: Any) -> None:
    """Of the queue nothing is known; everything else stands in rows."""
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    gauges._redis.cache_clear()
    try:
        page = staff.get("/admin/")
    finally:
        gauges._redis.cache_clear()
    assert page.status_code == 200
    assert {line["label"]: line["value"] for line in page.context["machinery"]}["Queue"] == "not known: Redis is away"


def test_the_machinery_shows_queue_outbox_limit_and_processes(staff: Client, busy: Books, settings: Any) -> None:
    """As they are."""
    limits.connect_redis().rpush(limits.KEY_PREFIX + limits.CHARGE_QUEUE, "1")
    limits.slow_down(endpoint=limits.Endpoint.CONFIRM)
    Heartbeat.objects.create(
        process="bridge", host="host-1", pid=1, started_at=datetime.now(UTC), beat_at=datetime.now(UTC)
    )
    context = staff.get("/admin/").context
    lines = {line["label"]: line for line in context["machinery"]}
    assert lines["Queue"]["value"] == "1 message"
    assert "429" in lines["Rate limit"]["note"]
    assert lines["Notifications"]["value"].endswith(("wait", "waits"))
    assert lines["Charging"]["value"] == "goes on"
    assert [(line["value"], line["tone"]) for line in context["processes"][:2]] == [
        ("host-1", "good"),
        ("not running", "bad"),
    ]
    charging.pause(cause="staff", reason="an audit", who="staff: aida", now=datetime.now(UTC))
    lines = {line["label"]: line for line in staff.get("/admin/").context["machinery"]}
    assert lines["Charging"]["value"] == "paused by staff"


def test_a_redis_that_hangs_holds_nobody_up(settings: Any) -> None:
    """It takes connections and says nothing: after a moment it counts as away."""
    assert limits.read_gauges() is not None
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.REDIS_URL = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        gauges._redis.cache_clear()
        try:
            assert limits.read_gauges() is None
        finally:
            gauges._redis.cache_clear()


def test_whoever_may_not_see_payments_sees_no_number(client: Client, busy: Books) -> None:
    """Staff without a group are shown what they may open, and nothing else."""
    guest = User.objects.create_user("guest", password="a long enough password", is_staff=True)
    client.force_login(guest)
    page = client.get("/admin/")
    assert page.status_code == 200
    assert "KZT" not in page.content.decode()
    guest.user_permissions.add(Permission.objects.get(codename="view_payment"))
    assert "KZT" in client.get("/admin/").content.decode()


@pytest.mark.parametrize("asked", ["", "year", "<script>"])
def test_a_period_that_there_is_not_shows_a_day(staff: Client, asked: str) -> None:
    """Whatever stands in the address."""
    page = staff.get("/admin/", {"period": asked})
    assert [name for _value, name, is_current in page.context["periods"] if is_current] == ["Day"]
