"""The story of one webhook: what Stripe told, and what it was worth."""

import uuid

from django.utils.translation import gettext as _

from payments import words
from payments.explain.links import dashboard
from payments.explain.story import Fact, Notice
from payments.explain.time_line import webhook_event
from payments.models import Payment, Webhook


def explain_webhook(webhook: Webhook) -> Notice:
    """It proves nothing: what counts is what Stripe answered when it was asked."""
    verdict = words.word(words.WEBHOOKS, webhook.verdict)
    intent = webhook.intent_id or _("none")
    about = webhook.payment_id or _payment_of(webhook)
    return Notice(
        title=_("A webhook of Stripe's"),
        what=_("Stripe told us “%(type)s”: %(verdict)s.") % {"type": webhook.type, "verdict": verdict},
        next_step=_("See the payment that it is about.") if about else _("Nothing: it is not about a payment of ours."),
        facts=(
            Fact(
                label=_("Event"), value=webhook.event_id, link=dashboard(webhook.event_id, livemode=webhook.livemode)
            ),
            Fact(label=_("PaymentIntent"), value=intent, link=dashboard(webhook.intent_id, livemode=webhook.livemode)),
            Fact(label=_("Came in"), value=words.both_zones(webhook.received_at)),
        ),
        events=(webhook_event(webhook),),
        payment=about,
    )  # fmt: skip


def _payment_of(webhook: Webhook) -> uuid.UUID | None:
    if not webhook.intent_id:
        return None
    return Payment.objects.filter(intent_id=webhook.intent_id).values_list("id", flat=True).first()
