"""Whether a webhook's very bytes were signed by Stripe, lately, with one of our secrets."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import stripe

# How old a webhook's signature may be, in seconds: an overheard one is worth nothing afterwards. Stripe's default.
WEBHOOK_TOLERANCE = 300

# Ids and types of Stripe's events. Whatever else came could be too long, or hold what no column takes.
_NAME = re.compile(r"[\w.-]{1,255}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Event:
    """A webhook that Stripe has signed. `content` is the body's JSON, of which nothing is known but `id` and `type`."""

    id: str
    type: str
    content: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A webhook that is not to be believed. `why`: no_secret, signature, too_old or not_an_event."""

    why: str


def verify(*, payload: bytes, header: str, secrets: Sequence[str]) -> Event | Refused:
    """Whether these very bytes were signed, and lately, with one of our secrets (two while one is replaced).

    An empty secret could be forged by anybody, so it verifies nothing, and neither does having none.
    """
    usable = [secret for secret in secrets if secret.strip()]
    if not usable:
        return Refused(why="no_secret")
    if not any(_is_signed(payload, header, secret, tolerance=WEBHOOK_TOLERANCE) for secret in usable):
        genuine = any(_is_signed(payload, header, secret, tolerance=None) for secret in usable)
        return Refused(why="too_old" if genuine else "signature")
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError):
        return Refused(why="not_an_event")
    match content:
        case {"id": str(id), "type": str(type)} if _NAME.fullmatch(id) and _NAME.fullmatch(type):
            return Event(id=id, type=type, content=content)
    return Refused(why="not_an_event")


def _is_signed(payload: bytes, header: str, secret: str, *, tolerance: int | None) -> bool:
    try:
        stripe.WebhookSignature.verify_header(payload, header, secret, tolerance)
    except (stripe.SignatureVerificationError, ValueError, TypeError):
        # The last two: a body that is no text, and a header that is not ASCII.
        return False
    return True
