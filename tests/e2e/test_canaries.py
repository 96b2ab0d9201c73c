"""Canaries: personal data and secrets go through every path of every process, and come out in no log, span or report.

Each process is made to fail in the middle of its work by PostgreSQL, whose message quotes the very data, as its own
messages do (`Key (email)=(…) already exists`, `Failing row contains (…)`).
"""

import contextlib
import json
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError

import psycopg2
import pytest

from billing_project.dev.simulator.webhooks import sign
from tests.e2e.collector import Collector, collecting
from tests.e2e.deployment import Deployment
from tests.integration.watching import free_port

pytestmark = pytest.mark.timeout(300)

SECRETS = {
    "STRIPE_SECRET_KEY": "sk_test_canary",
    "STRIPE_WEBHOOK_SECRET": "whsec_canary",
    "SECRET_KEY": "canarysecretcanarysecretcanarysecretcanarysecret",
    "METRICS_TOKEN": "canarytokencanarytoken",
}
CARD = "4000056655665556"
CANARIES = ("canary@example.kz", "pm_card_canary", "Canaryname", CARD, "u_canary", "canarypassword", *SECRETS.values())
PERSONAL = {"name": "Canaryname", "card": CARD}
QUOTED = f"canary@example.kz u_canary {CARD} pm_card_canary"

# The first statement of its kind fails, saying what it was about; a sequence forgets nothing when it is rolled back.
BOMB = """
CREATE SEQUENCE bomb_{name};
CREATE FUNCTION bomb_{name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF {when} AND (CASE WHEN {always} THEN true ELSE nextval('bomb_{name}') = 1 END) THEN
        RAISE EXCEPTION 'Failing row contains ({quoted})' USING DETAIL = to_jsonb(NEW)::text;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER bomb_{name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION bomb_{name}();
"""
# What is settled together with others, whose locks are waited for a second, is tried alone after that, and fails then.
TOGETHER = "current_setting('lock_timeout') = '1s'"
BOMBS: tuple[dict[str, str], ...] = (
    {"name": "bridge", "event": "INSERT", "table": "payments_inboxmessage", "when": "true"},
    {
        "name": "worker",
        "event": "INSERT",
        "table": "payments_transition",
        "when": "NEW.attempt_state = 'succeeded'",
        "always": TOGETHER,
    },
    {"name": "relay", "event": "UPDATE", "table": "payments_outboxmessage", "when": "true"},
    {"name": "web", "event": "INSERT", "table": "payments_webhook", "when": "true"},
    {"name": "command", "event": "UPDATE", "table": "payments_payment", "when": "NEW.closed_at IS NOT NULL"},
    {"name": "beat", "event": "INSERT", "table": "payments_heartbeat", "when": "NEW.process = 'beat'"},
)


def event(subscription: str, *, method: str = "pm_card_canary", price: Any = 100, **personal: str) -> bytes:
    """The README's example, with canaries."""
    user = {"id": "u_canary", "email": "canary@example.kz", "paymentMethod": method} | personal
    wish = {"subId": subscription, "user": user, "product": {"price": price, "currency": "KZT"}}
    return json.dumps(wish, separators=(",", ":")).encode()


RECORDS = [
    event("sub_paid", **PERSONAL),
    event("sub_declined", method="pm_card_chargeDeclined", **PERSONAL),
    event("sub_rejected", method="pm_card_canary_gone", **PERSONAL),
    event("sub_parked", price=-1, **PERSONAL),
    event("sub_refused", huge="x" * 300_000, **PERSONAL)[:-2] + b"Canaryname",
    b"canary@example.kz is no JSON " + CARD.encode(),
]


def ask(url: str, data: bytes | None = None, **headers: str) -> int:
    """The status of the answer."""
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return int(answer.status)
    except HTTPError as error:
        return error.code


def is_answering(url: str) -> bool:
    """200."""
    with contextlib.suppress(OSError):
        return ask(url) == 200
    return False


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Takes the spans and the reports of all processes."""
    with collecting() as found:
        yield found


@pytest.fixture
def mined(deployment: Deployment, collector: Collector) -> Deployment:
    """Every secret is a canary, every process reports errors and spans, and each has something to fail at."""
    deployment.env |= SECRETS | {
        "LOG_LEVEL": "DEBUG",
        "SENTRY_DSN": f"http://canarydsn@{collector.host}/1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector.host}",
        "ALLOWED_HOSTS": "127.0.0.1",
    }
    control = deployment.stripe.control
    control.set_api_key(key=SECRETS["STRIPE_SECRET_KEY"], state="accepted")
    control.add_payment_method(id="pm_card_canary")
    control.add_fault(kind="status", status=500, endpoint="confirm", effect="before")
    run(deployment, "".join(BOMB.format(**{"quoted": QUOTED, "always": "false"} | bomb) for bomb in BOMBS))
    return deployment


def run(deployment: Deployment, sql: str) -> None:
    """Statements without an answer."""
    with contextlib.closing(psycopg2.connect(deployment.database)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        connection.commit()


def lines(deployment: Deployment, name: str) -> list[dict[str, Any]]:
    """The log of a process, read."""
    text = deployment.log(name).read_text()
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def said(deployment: Deployment, name: str, text: str) -> bool:
    """Whether a process has logged this."""
    return any(line["event"] == text for line in lines(deployment, name))


def fail_and_go_on(deployment: Deployment, name: str) -> None:
    """It ends in the middle of its work, with one line for it, and is started again."""
    deployment.start(name)
    assert deployment.ended(name) == 1
    [line] = [line for line in lines(deployment, name) if line["event"] == "ended by an error"]
    assert line["exception"].startswith("django.db.utils.")
    deployment.start(name)


def visit(deployment: Deployment) -> None:
    """What comes over HTTP: a webhook that can't be stored, strangers, a login, a search, numbers."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "billing_project.wsgi", "--bind", f"127.0.0.1:{port}"]
    deployment.commands["web"] = command
    deployment.start("web")
    url = f"http://127.0.0.1:{port}"
    deployment.wait_until(lambda: is_answering(f"{url}/livez"), what="the web process answers")
    about = {"id": "pi_1", "object": "payment_intent", "receipt_email": "canary@example.kz", "description": CARD}
    body = json.dumps({
        "id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "livemode": False,
        "data": {"object": about},
    }).encode()  # fmt: skip
    signed = {"Stripe-Signature": sign(body, secret=SECRETS["STRIPE_WEBHOOK_SECRET"], at=time.time())}
    assert ask(f"{url}/webhooks/stripe", body, **signed) == 500
    assert ask(f"{url}/webhooks/stripe", body, **signed) == 200
    assert ask(f"{url}/webhooks/stripe", body, **{"Stripe-Signature": "t=1,v1=canarypassword"}) == 400
    assert ask(f"{url}/metrics", Authorization="Bearer canarypassword") == 401
    assert ask(f"{url}/metrics", Authorization=f"Bearer {SECRETS['METRICS_TOKEN']}") == 200
    ask(f"{url}/admin/payments/payment/?q=canary@example.kz")
    ask(f"{url}/admin/canary@example.kz/")
    ask(f"{url}/admin/login/", b"username=canary@example.kz&password=canarypassword")


def test_no_secret_and_nothing_personal_comes_out_of_any_process(mined: Deployment, collector: Collector) -> None:
    """Paid, declined, rejected, parked, refused by the database, an outage; and each process fails once on its way."""
    deployment = mined
    deployment.send(RECORDS, headers=[("traceparent", b"00-" + b"a1" * 16 + b"-00f067aa0ba902b7-01")])
    fail_and_go_on(deployment, "bridge")
    deployment.start("worker", "beat")
    deployment.redis.kill()
    deployment.redis.start()
    interrupted = "payment interrupted"
    deployment.wait_until(lambda: said(deployment, "worker", interrupted), what="a payment is interrupted", within=90)
    # Its lease would keep it for two minutes.
    run(deployment, "UPDATE payments_payment SET lease_until = NULL WHERE status = 'pending'")
    told = "SELECT count(*) FROM payments_outboxmessage"
    deployment.wait_until(lambda: deployment.count(told) >= 1, what="something is to be told", within=90)
    fail_and_go_on(deployment, "relay")
    visit(deployment)
    deployment.wait_until_at_rest(records=len(RECORDS), within=120)
    deployment.wait_until(lambda: bool(collector.bodies("/v1/traces")), what="spans came")
    # A command fails in the middle of its work as well.
    [(declined,)] = deployment.rows("SELECT id FROM payments_payment WHERE subscription_id = 'sub_declined'")
    command = deployment.command("close", str(declined), "--reason", "x", "--yes")
    assert command.returncode == 1
    assert "ended by an error" in command.stderr
    [refused] = [line for line in lines(deployment, "web") if line.get("http_status") == 500]
    assert (refused["logger"], refused["exception"].split()[0]) == ("django.request", "django.db.utils.InternalError")
    assert said(deployment, "beat", "heartbeat not written")
    for name in ("bridge", "worker", "beat", "relay", "web"):
        assert deployment.stop(name) == 0
    written = {name: deployment.log(name).read_text() for name in ("bridge", "worker", "beat", "relay", "web")}
    written |= {
        "command": command.stderr,
        "spans": b"".join(collector.bodies("/v1/traces")).decode(errors="replace"),
        "sentry": b"".join(collector.bodies("/envelope/")).decode(errors="replace"),
        "dead letters' headers": str([record.headers for record in deployment.records("KAFKA_TOPIC_DEAD_LETTERS")]),
    }
    for name, text in written.items():
        assert text, f"{name} is empty, so this proves nothing"
        assert [canary for canary in CANARIES if canary in text] == [], name
        assert "Traceback" not in text, name
    assert_told_to_sentry(collector)
    assert_one_line_for_each_step(deployment)


def assert_told_to_sentry(collector: Collector) -> None:
    """Each failure is a report of its own, with type and lines of code."""
    reports = [
        json.loads(line)
        for body in collector.bodies("/envelope/")
        for line in body.splitlines()
        if b'"message"' in line
    ]
    messages = {report["message"] for report in reports}
    assert {"ended by an error", "payment interrupted", "…: …"} <= messages
    [web] = [report for report in reports if report["logger"] == "django.request"]
    [*_, last] = web["exception"]["values"]
    assert last["type"] == "InternalError"
    assert any(frame["function"] == "receive_webhook" for frame in last["stacktrace"]["frames"])
    assert not any("vars" in frame for frame in last["stacktrace"]["frames"])


def assert_one_line_for_each_step(deployment: Deployment) -> None:
    """The way of one payment can be read from the logs: its ids are on each of them."""
    [(payment,)] = deployment.rows("SELECT id::text FROM payments_payment WHERE subscription_id = 'sub_declined'")
    mine = [
        line for name in ("bridge", "worker", "relay") for line in lines(deployment, name)
        if line.get("payment") == payment
    ]  # fmt: skip
    steps = [line["event"] for line in mine]
    assert [step for step in ("judged", "taken up", "settled", "told") if step not in steps] == []
    judged, taken_up, settled, told = (
        next(line for line in mine if line["event"] == step) for step in ("judged", "taken up", "settled", "told")
    )
    assert judged["record"].startswith(deployment.topics["KAFKA_TOPIC_PAYMENTS"])
    assert (taken_up["attempt"], settled["attempt"]) == (1, 1)
    assert taken_up["task"]
    assert settled["task"]
    assert told["outbox"]
    assert {line["trace"] for line in (judged, taken_up, settled, told)} == {"a1" * 16}
