"""All that there is to know about a history that broke a promise."""

import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from payments.models import Attempt, InboxMessage, OutboxMessage, Pause, Payment, Refund, Transition, Webhook
from tests.proof.world import World

TABLES: tuple[type[models.Model], ...] = (
    InboxMessage, Payment, Attempt, Refund, Transition, OutboxMessage, Webhook, Pause,
)  # fmt: skip


def tell_story(world: World) -> str:
    """What happened, in order; then the rows, what was told, and Stripe's side of it."""
    parts = ["operations:", *(f"  {line}" for line in world.gate.log)]
    for table in TABLES:
        parts.append(f"{table.__name__}:")
        parts += [f"  {_plain(row)}" for row in table._default_manager.order_by("pk").values()]
    parts.append(f"published: {[(dict(one.headers).get('ce_id'), one.value) for one in world.published]}")
    parts.append("Stripe received:")
    parts += [f"  {_request(one)}" for one in world.stripe.control.requests()]
    parts.append("ledger:")
    parts += [f"  {_plain(row)}" for row in world.stripe.ledger.report()["payment_intents"]]
    return "\n".join(parts)


def _request(one: dict[str, Any]) -> str:
    about = f"{one['endpoint']} {one['payment_intent'] or ''} {one['params']}"
    return f"{about} key={one['idempotency_key']} -> {one['status']} fault={one['fault']}"


def _plain(row: Any) -> str:
    kept = {name: value for name, value in row.items() if value not in (None, "", [], {}) and name != "value"}
    return json.dumps(kept, cls=DjangoJSONEncoder, default=repr) if _is_plain(kept) else repr(kept)


def _is_plain(row: dict[str, Any]) -> bool:
    return not any(isinstance(value, bytes | memoryview) for value in row.values())
