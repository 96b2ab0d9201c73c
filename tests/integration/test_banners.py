"""Banners: each comes with its cause, made by the very machinery that makes it, and goes when that is mended."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing_project.dev.simulator import Simulator
from payments import charging, limits, outbox, reconcile
from payments.admin import banner_words
from payments.admin.banners import lookout
from payments.gateway import Gateway
from payments.heartbeats import Heart, Process, heart_of
from payments.models import Heartbeat, OutboxMessage, Payment
from tests.integration.books import Books, only_break
from tests.integration.ledger_rows import restoring
from tests.integration.webhooks.sent import OTHER, SECRET, body_of, intent_of, post

pytestmark = pytest.mark.django_db
LIST = "/admin/payments/payment/"


@pytest.fixture(scope="module")
def _simulator() -> Iterator[Simulator]:
    """Of these tests alone: its clock is the real one, as the pages' is, and other tests have moved theirs."""
    with Simulator(seed=1) as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def _quiet(settings: Any) -> Iterator[None]:
    """A deployment that is well: all processes are there, and webhooks are on."""
    settings.STRIPE_WEBHOOK_SECRETS = (SECRET,)
    limits.connect_redis().flushdb()
    for process in ("bridge", "worker", "beat", "relay"):
        heart = Heart(process)
        heart.note()
        heart.write()
    heart_of("web").tell(refused=None, refused_at=None, refused_why=None)
    yield
    heart_of("web").tell(refused=None, refused_at=None, refused_why=None)
    lookout.forget()


@pytest.fixture
def books(stripe: Simulator, stripe_gateway: Gateway, settings: Any) -> Books:
    """One clock for Stripe and us; nothing waits for tokens."""
    settings.STRIPE_RATE_LIMIT = 10_000
    limits.breaker.forget()
    return Books(stripe=stripe, gateway=stripe_gateway)


@pytest.fixture
def staff(client: Client) -> Client:
    """A superuser."""
    client.force_login(User.objects.create_superuser("aida", password="a long enough password"))
    return client


def shown(staff: Client) -> list[str]:
    """The banners on the list of payments, the worst first."""
    lookout.forget()
    page = staff.get(LIST)
    kinds = [banner.kind for banner in page.context["banners"]]
    text = page.content.decode()
    for banner in page.context["banners"]:
        assert f'data-banner="{banner.kind}"' in text
        assert banner.meaning, banner
        assert banner.to_do, banner
    return kinds


def test_where_all_is_well_there_is_none(staff: Client, books: Books) -> None:
    """A page that always warns warns of nothing."""
    books.paid("a")
    OutboxMessage.objects.update(published_at=books.clock())
    assert shown(staff) == []


def test_nobody_reads_them_without_logging_in(client: Client, books: Books) -> None:
    """What is wrong here is nobody else's business."""
    charging.pause(cause="staff", reason="an audit", who="staff: aida", now=books.clock())
    lookout.forget()
    assert "an audit" not in client.get("/admin/login/").content.decode()


def test_a_key_that_stripe_refuses(staff: Client, books: Books, settings: Any) -> None:
    """Until a probe finds that it is taken again."""
    books.stripe.control.set_api_key(key=settings.STRIPE_SECRET_KEY, state="revoked")
    books.charge(books.take_in("a"))
    assert shown(staff) == ["paused_key"]
    books.stripe.control.set_api_key(key=settings.STRIPE_SECRET_KEY, state="accepted")
    charging.probe(gateway=books.gateway, now=books.clock())
    assert shown(staff) == []


def test_charging_that_staff_have_paused(staff: Client, books: Books) -> None:
    """By whom, since when and why."""
    charging.pause(cause="staff", reason="an audit", who="staff: aida", now=books.clock())
    assert shown(staff) == ["paused_staff"]
    [banner] = staff.get(LIST).context["banners"]
    assert banner.title == "Charging is paused by staff: aida"
    assert "an audit" in banner.meaning
    assert banner.since == f"{books.clock():%Y-%m-%d %H:%M:%S} UTC"
    charging.resume(cause="staff", who="staff: aida", now=books.clock())
    assert shown(staff) == []


def test_an_outage_of_stripe(staff: Client, books: Books) -> None:
    """The breaker opens after ten answers that weren't given, and a probe closes it."""
    for number in range(limits.FAILURES_TO_OPEN):
        books.take_in(f"sub_{number}")
    books.stripe.control.add_fault(kind="status", status=503, effect="none", count=None)
    books.charge()
    assert shown(staff) == ["paused_outage"]
    books.stripe.control.clear_faults()
    charging.probe(gateway=books.gateway, now=books.clock())
    assert "paused_outage" not in shown(staff)


def test_webhooks_that_are_switched_off(staff: Client, settings: Any) -> None:
    """No secret, no endpoint: it is said, and no more than that."""
    settings.STRIPE_WEBHOOK_SECRETS = ()
    assert shown(staff) == ["webhooks_off"]
    assert [banner.severity for banner in staff.get(LIST).context["banners"]] == ["info"]


def test_webhooks_that_are_signed_with_another_secret(staff: Client, books: Books) -> None:
    """Until one is accepted again; then rubbish from strangers worries nobody."""
    paid = books.paid("a")
    OutboxMessage.objects.update(published_at=books.clock())
    body = body_of("payment_intent.succeeded", intent_of(paid))
    web = heart_of("web")

    def refuse() -> None:
        assert post(body, secret=OTHER) == 400
        web.note()
        assert web.write()

    refuse()
    refuse()
    assert shown(staff) == ["webhooks_refused"]
    assert staff.get(LIST).context["banners"][0].title == "2 webhooks were refused"
    assert post(body) == 200
    assert shown(staff) == []


def test_webhooks_that_do_not_come(staff: Client, books: Books) -> None:
    """Payments were made some minutes ago, and Stripe told nothing; until it does."""
    paid = books.paid("a")
    OutboxMessage.objects.update(published_at=books.clock())
    assert shown(staff) == []
    Payment.objects.update(settled_at=books.clock() - timedelta(minutes=6))
    assert shown(staff) == ["webhooks_silent"]
    assert post(body_of("payment_intent.succeeded", intent_of(paid))) == 200
    assert shown(staff) == []


def test_a_relay_that_is_behind(staff: Client, books: Books) -> None:
    """The oldest record has been waiting for over a minute; until it is published."""
    books.clock.now = datetime.now(UTC) - timedelta(seconds=70)
    books.paid("a")
    assert shown(staff) == ["relay_behind"]
    listed = staff.get(staff.get(LIST).context["banners"][0].link).context["cl"]
    assert listed.result_count == 1
    outbox.mark_published(ids=[row.id for row in outbox.waiting(limit=10)], now=books.clock())
    assert shown(staff) == []


@pytest.mark.parametrize("process", ["bridge", "worker", "beat", "relay"])
def test_a_process_that_nobody_sees(staff: Client, process: Process) -> None:
    """Since its last beat, half a minute ago; or ever. Until one beats."""
    Heartbeat.objects.filter(process=process).update(beat_at=datetime.now(UTC) - timedelta(seconds=31))
    assert shown(staff) == ["missing"]
    [banner] = staff.get(LIST).context["banners"]
    assert process in banner.title
    assert banner.since
    Heartbeat.objects.filter(process=process).delete()
    assert shown(staff) == ["missing"]
    heart = Heart(process)
    heart.note()
    heart.write()
    assert shown(staff) == []


def test_a_process_that_waits(staff: Client) -> None:
    """It is there, and can do nothing; but not while another of its kind can."""
    heart = Heart("bridge")
    heart.tell(waits_for="Kafka does not answer (KAFKA_BROKER)")
    heart.note()
    heart.write()
    assert shown(staff) == ["waits"]
    assert "KAFKA_BROKER" in staff.get(LIST).context["banners"][0].meaning
    now = datetime.now(UTC)
    Heartbeat.objects.create(process="bridge", host="another", pid=1, started_at=now, beat_at=now)
    assert shown(staff) == []


def test_open_breaks(staff: Client, books: Books) -> None:
    """Until somebody has settled them."""
    books.stray(payment_id="00000000-0000-4000-8000-000000000000", subscription_id="lost")
    books.compare()
    assert shown(staff) == ["breaks"]
    [banner] = staff.get(LIST).context["banners"]
    assert banner.title == "1 difference from Stripe"
    assert staff.get(banner.link).context["cl"].result_count == 1
    reconcile.settle_break(break_id=only_break().id, who="staff: aida", why="given back by hand", now=books.clock())
    assert shown(staff) == []


def test_a_live_key_beside_test_payments_and_the_other_way_round(staff: Client, books: Books, settings: Any) -> None:
    """The simulator is in test mode."""
    books.paid("a")
    OutboxMessage.objects.update(published_at=books.clock())
    assert shown(staff) == []
    settings.STRIPE_SECRET_KEY = "sk_live_of_a_test"
    assert shown(staff) == ["live_key"]
    with restoring():
        Payment.objects.update(livemode=True)
    assert shown(staff) == []
    settings.STRIPE_SECRET_KEY = "sk_test_of_a_test"
    assert shown(staff) == ["test_key"]


def test_they_are_looked_up_once_in_five_seconds(staff: Client, books: Books) -> None:
    """By a handful of questions; the next page asks none of them."""
    books.paid("a")
    lookout.forget()
    with CaptureQueriesContext(connection) as first:
        lookout.look()
    assert 0 < len(first) <= 12
    with CaptureQueriesContext(connection) as second:
        lookout.look()
    assert len(second) == 0


def test_the_worst_comes_first(staff: Client, books: Books, settings: Any) -> None:
    """Whatever the order in which they were found."""
    settings.STRIPE_WEBHOOK_SECRETS = ()
    Heartbeat.objects.filter(process="bridge").delete()
    books.stray(payment_id="00000000-0000-4000-8000-000000000000", subscription_id="lost")
    books.compare()
    assert shown(staff) == ["missing", "breaks", "webhooks_off"]


def test_each_kind_has_its_words(books: Books) -> None:
    """None that can be found is without a text."""
    assert set(banner_words._WORDS) >= {f"paused_{cause}" for cause in ("staff", "key", "outage", "restored")}
