"""What the peers have in common: a payment's row, and its charge with one call to Stripe.

PaymentIntents are made and confirmed by the same call, under a key that comes from the payment.
"""

import functools
import os
from typing import ClassVar

import django
import stripe
from django.db import connection, models

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.peers.settings")
django.setup()


class Payment(models.Model):
    """What somebody owes, and what became of it."""

    id = models.BigAutoField(primary_key=True)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    payment_method = models.CharField(max_length=64)
    status = models.CharField(max_length=16, default="pending")
    intent_id = models.CharField(max_length=64, default="")
    decline_code = models.CharField(max_length=64, default="")
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[models.Manager["Payment"]] = models.Manager()

    class Meta:
        app_label = "peers"


def make_table() -> None:
    """Once, before any of them begins."""
    with connection.schema_editor() as editor:
        editor.create_model(Payment)


def charge(payment_id: int) -> None:
    """Charge one payment, unless that was done. What isn't known is left pending."""
    payment = Payment.objects.get(id=payment_id)
    if payment.status != "pending":
        return
    try:
        intent = _client().v1.payment_intents.create(
            {
                "amount": payment.amount, "currency": payment.currency.lower(), "confirm": True, "off_session": True,
                "payment_method": payment.payment_method, "metadata": {"payment_id": str(payment.id)},
            },
            {"idempotency_key": f"payment-{payment.id}"},
        )  # fmt: skip
    except stripe.CardError as declined:
        payment.status, payment.decline_code = "failed", declined.code or ""
    else:
        payment.status, payment.intent_id = "success" if intent.status == "succeeded" else "pending", intent.id
    payment.save()


@functools.cache
def _client() -> stripe.StripeClient:
    stripe.enable_telemetry = False  # it would write a file into the user's configuration folder
    return stripe.StripeClient(os.environ["STRIPE_SECRET_KEY"], base_addresses={"api": os.environ["STRIPE_API_BASE"]})
