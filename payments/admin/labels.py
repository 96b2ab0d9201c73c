"""What staff call the rows and columns of the ledger, in their language.

Here and not in the models: it belongs to the desk, changes with it, and is no reason for a migration. Django asks
the fields for it, and a migration is made from what a field was made with.
"""

from typing import Any

from django.db.models import Model
from django.utils.translation import gettext_lazy as _

from payments.models import (
    Attempt,
    BalanceLine,
    Break,
    Dispute,
    InboxMessage,
    Job,
    JobItem,
    OutboxMessage,
    Payment,
    Reconciliation,
    Refund,
    Statement,
    Transition,
    Webhook,
)

_NAMES: dict[type[Model], tuple[Any, Any]] = {
    Payment: (_("payment"), _("payments")),
    Attempt: (_("attempt"), _("attempts")),
    Transition: (_("step of the history"), _("history")),
    Refund: (_("refund"), _("refunds")),
    Dispute: (_("dispute"), _("disputes")),
    InboxMessage: (_("record"), _("records received")),
    OutboxMessage: (_("notification"), _("notifications")),
    Webhook: (_("webhook"), _("webhooks")),
    Break: (_("difference with Stripe's books"), _("differences with Stripe's books")),
    Reconciliation: (_("comparison with Stripe's books"), _("comparisons with Stripe's books")),
    Statement: (_("statement"), _("statements")),
    BalanceLine: (_("line of Stripe's balance"), _("lines of Stripe's balance")),
    Job: (_("job"), _("jobs")),
    JobItem: (_("item of a job"), _("items of a job")),
}

# One word for one thing, wherever it stands.
_LABELS: dict[str, Any] = {
    "account_id": _("Stripe account"),
    "action": _("action"),
    "adopt": _("adopts"),
    "amount": _("amount"),
    "approved_at": _("approved at"),
    "approved_by": _("approved by"),
    "asked_by": _("asked by"),
    "at": _("time"),
    "attempt_state": _("attempt"),
    "attention": _("needs a look"),
    "accepted_at": _("accepted at"),
    "began_at": _("began at"),
    "channel": _("channel"),
    "charge_id": _("charge"),
    "closed_at": _("closed at"),
    "closed_by": _("closed by"),
    "closed_why": _("why it was closed"),
    "cluster": _("cluster"),
    "code": _("code"),
    "counts": _("counts"),
    "created_at": _("created at"),
    "currency": _("currency"),
    "cursor": _("got as far as"),
    "customer": _("Stripe customer"),
    "decline_code": _("decline code"),
    "details": _("details"),
    "dispute_id": _("dispute"),
    "disputed_at": _("disputed since"),
    "due_at": _("next step at"),
    "email": _("e-mail"),
    "ended_at": _("ended at"),
    "error": _("error"),
    "event_id": _("event"),
    "evidence": _("evidence"),
    "facts": _("facts"),
    "fault": _("whose fault"),
    "found_at": _("found at"),
    "from_at": _("from"),
    "from_status": _("status before"),
    "handled_at": _("dealt with at"),
    "handled_by": _("dealt with by"),
    "handled_why": _("why"),
    "id": _("id"),
    "intent_id": _("PaymentIntent"),
    "kind": _("kind"),
    "lease_until": _("in hand until"),
    "livemode": _("live mode"),
    "message_id": _("notification id"),
    "number": _("number"),
    "object_id": _("about"),
    "offset": _("offset"),
    "opened_at": _("opened at"),
    "partition": _("partition"),
    "payment": _("payment"),
    "payment_method": _("payment method"),
    "published_at": _("published at"),
    "reason": _("reason"),
    "received_at": _("received at"),
    "record": _("record"),
    "recorded_at": _("sent at"),
    "refund_id": _("refund at Stripe"),
    "refunded": _("refunded"),
    "refused_at": _("refused at"),
    "replays": _("judged again, times"),
    "request_id": _("Stripe request"),
    "respond_by": _("answer by"),
    "seen_at": _("last seen at"),
    "settled_at": _("settled at"),
    "state": _("state"),
    "status": _("status"),
    "stopped_at": _("stopped at"),
    "stopped_by": _("stopped by"),
    "subscription": _("subscription"),
    "to_status": _("status after"),
    "topic": _("topic"),
    "total": _("items"),
    "type": _("type"),
    "until_at": _("until"),
    "user_id": _("user"),
    "verdict": _("verdict"),
    "who": _("who"),
    "why": _("why"),
}


def label() -> None:
    """Name models and fields for people. Called once, when the admin is loaded."""
    for model, (one, many) in _NAMES.items():
        model._meta.verbose_name, model._meta.verbose_name_plural = one, many
        for field in model._meta.fields:
            if field.name in _LABELS:
                field.verbose_name = _LABELS[field.name]
