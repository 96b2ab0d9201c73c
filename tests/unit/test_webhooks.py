"""What a webhook says, and whom we believe: pure functions of what came and what is configured."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from billing_project import env
from billing_project.dev.simulator.webhooks import sign
from payments.gateway import Event, Refused, verify
from payments.webhooks import News, news_of
from tests.unit import environment
from tests.unit.environment import problems

BODY = json.dumps({"id": "evt_1", "type": "payment_intent.succeeded"}).encode()
FIX = "unset it, or set it to whsec_…, or to two of them with a comma"


@pytest.mark.parametrize(
    ("type", "status", "news"),
    [
        ("payment_intent.created", "requires_payment_method", News.NOTHING),
        ("payment_intent.created", "succeeded", News.PAID),
        ("payment_intent.payment_failed", "requires_payment_method", News.DECLINED),
        ("payment_intent.requires_action", "requires_action", News.ACTION),
        ("payment_intent.processing", "processing", News.PROCESSING),
        ("payment_intent.succeeded", "succeeded", News.PAID),
        ("payment_intent.canceled", "canceled", News.CANCELED),
        ("payment_intent.partially_funded", "requires_capture", News.OTHER),
        ("payment_intent.something_new", "", News.OTHER),
        ("charge.succeeded", "succeeded", News.PAID),
        ("charge.updated", "succeeded", News.PAID),
        ("charge.failed", "failed", News.DECLINED),
        ("charge.pending", "pending", News.PROCESSING),
        ("charge.refunded", "succeeded", News.PAID_BACK),
        ("charge.refund.updated", "failed", News.PAID_BACK),
        ("charge.dispute.created", "needs_response", News.PAID_BACK),
        ("refund.created", "pending", News.PAID_BACK),
        ("refund.failed", "failed", News.PAID_BACK),
        ("something.new", "something_new", News.OTHER),
    ],
)
def test_every_event_is_some_news(type: str, status: str, news: News) -> None:
    """By what the object is now rather than by the type; money back is not success and not a decline."""
    assert news_of(type=type, status=status) is news


def verified(*, secrets: tuple[str, ...], age: float = 0) -> Event | Refused:
    """What is made of the body, signed with whsec_a so many seconds ago."""
    return verify(payload=BODY, header=sign(BODY, secret="whsec_a", at=time.time() - age), secrets=secrets)


def test_an_event_is_what_was_signed() -> None:
    """Its content is the body's JSON, nothing added."""
    event = verified(secrets=("whsec_b", "whsec_a"))
    assert event == Event(id="evt_1", type="payment_intent.succeeded", content=json.loads(BODY))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"secrets": ()}, "no_secret"),
        ({"secrets": ("", " ")}, "no_secret"),
        ({"secrets": ("whsec_b",)}, "signature"),
        ({"secrets": ("whsec_b", "whsec_a"), "age": 400}, "too_old"),
        ({"secrets": ("whsec_b",), "age": 400}, "signature"),
    ],
)
def test_a_refusal_says_why(given: dict[str, Any], why: str) -> None:
    """A clock that is wrong and a secret that is wrong are mended differently."""
    assert verified(**given) == Refused(why=why)


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment in which nothing is wrong."""
    environment.put(monkeypatch, tmp_path)


@pytest.mark.usefixtures("good")
@pytest.mark.parametrize(
    ("value", "secrets"),
    [
        (None, ()),
        ("", ()),
        ("whsec_a", ("whsec_a",)),
        (" whsec_a ", ("whsec_a",)),
        ("whsec_a,whsec_b", ("whsec_a", "whsec_b")),
        ("whsec_a , whsec_b,", ("whsec_a", "whsec_b")),
    ],
)
def test_none_one_or_two_secrets(monkeypatch: pytest.MonkeyPatch, value: str | None, secrets: tuple[str, ...]) -> None:
    """None is off, two are for the time in which one is replaced."""
    if value is not None:
        monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", value)
    assert env.load().webhook_secrets == secrets


@pytest.mark.usefixtures("good")
@pytest.mark.parametrize(
    ("content", "secrets"), [("whsec_a\n", ("whsec_a",)), ("whsec_a,whsec_b\n", ("whsec_a", "whsec_b")), ("\n", ())]
)
def test_the_secrets_may_come_in_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str, secrets: tuple[str, ...]
) -> None:
    """As they are mounted; an empty file is off."""
    (tmp_path / "secret").write_text(content)
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET_FILE", str(tmp_path / "secret"))
    assert env.load().webhook_secrets == secrets


@pytest.mark.usefixtures("good")
@pytest.mark.parametrize(
    ("value", "why"),
    [
        (" , ", "holds no secret"),
        ("whsec_a,whsec_b,whsec_c", "holds more than two secrets"),
        ("sk_test_canary", "is not a signing secret of Stripe's webhooks"),
        ("whsec_", "is not a signing secret of Stripe's webhooks"),
        ("whsec_a,canary", "is not a signing secret of Stripe's webhooks"),
    ],
)
def test_a_wrong_secret_is_one_line_that_does_not_show_it(
    monkeypatch: pytest.MonkeyPatch, value: str, why: str
) -> None:
    """An endpoint that refuses everything would be found out after days."""
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", value)
    assert problems() == [f"STRIPE_WEBHOOK_SECRET: {why}: {FIX}"]
