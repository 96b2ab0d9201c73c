"""What the outside may ask of payments over HTTP: Stripe's webhooks.

The endpoint is off (404) while STRIPE_WEBHOOK_SECRET is not set, as without a secret anybody could sign.
"""

import functools
import uuid
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import assert_never

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from payments import gateway, tasks, webhooks
from payments.heartbeats import heart_of

log = structlog.get_logger(__name__)

# Stripe's events have some ten kilobytes; a stranger's body is not read to its end.
LARGEST_BODY = 1024 * 1024


@csrf_exempt
@require_POST
def receive_webhook(request: HttpRequest) -> HttpResponse:
    """200 when the event is stored; 400 unless its very bytes were signed, lately, with one of our secrets; 413
    when it is too large; 404 without a secret. Raises where the database is away: Stripe sends it again."""
    if not settings.STRIPE_WEBHOOK_SECRETS:
        return _answer(404, "not found")
    if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST_BODY:
        return _refuse(413, "too_large")
    try:
        payload = request.body
    except UnreadablePostError:
        return _refuse(400, "cut")
    verified = gateway.verify(
        payload=payload, header=request.headers.get("Stripe-Signature", ""), secrets=settings.STRIPE_WEBHOOK_SECRETS
    )
    match verified:
        case gateway.Refused(why=why):
            return _refuse(400, why)
        case gateway.Event():
            look = webhooks.receive(event=verified, now=datetime.now(UTC))
            if look:
                _ring_aside([look])
        case _:
            assert_never(verified)
    return _answer(200, "ok")


def _refuse(status: int, why: str) -> HttpResponse:
    log.warning("webhook refused", why=why, http_status=status)
    # Counted in the heartbeat and not in rows of its own: anybody can send us rubbish, as much as they like.
    heart_of("web").count("refused", refused_at=datetime.now(UTC).isoformat(), refused_why=why)
    return _answer(status, why)


def _answer(status: int, text: str) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain")


def _ring_aside(payment_ids: Sequence[uuid.UUID]) -> None:
    """Ring in a thread of its own: a Redis that hangs is noticed after seconds, and Stripe shall not wait for them."""
    _ringer().submit(tasks.ring, payment_ids=payment_ids).add_done_callback(_note_trouble)


@functools.cache
def _ringer() -> ThreadPoolExecutor:
    """Made with the first webhook: after the fork, if any."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="doorbell")


def _note_trouble(rung: "Future[int]") -> None:
    error = rung.exception()
    if error:
        log.error("doorbell broke, the sweep will ring", error=type(error).__name__)
