"""What Stripe told us by itself: one row per event, whoever it is about."""

from django.db import models
from django.db.models import F, Q

from payments.models.payment import Payment


class Webhook(models.Model):
    """One event of Stripe's, received at least once, and what became of it. It proves nothing: it is a hint to look."""

    class Verdict(models.TextChoices):
        OPEN = ""  # not judged yet: its payment is in a worker's hands, or must be bound again first
        LOOK = "look"  # the payment was made due, so that Stripe is asked
        NOTHING_NEW = "nothing_new"  # the payment says so already, or later news has overtaken it
        KEPT = "kept"  # of a payment that rests: refunds, disputes, or what contradicts it
        FOREIGN = "foreign"  # about nothing of ours, or of another account or mode

    event_id = models.TextField(help_text="Stripe's: an event that is sent again has the same")
    type = models.TextField()
    object_id = models.TextField(blank=True, default="", help_text="what the event is about")
    intent_id = models.TextField(blank=True, default="", help_text="the PaymentIntent that this belongs to, if any")
    livemode = models.BooleanField()
    account_id = models.TextField(blank=True, default="", help_text="empty: the account of the endpoint itself")
    facts = models.JSONField(default=dict, help_text="ids, amounts, codes and states; never personal data")
    # Without a constraint: its check would lock the payment, and `claim` passes over locked ones.
    payment = models.ForeignKey(Payment, models.PROTECT, null=True, related_name="webhooks", db_constraint=False)
    verdict = models.TextField(blank=True, default="", choices=Verdict.choices)
    received_at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # Stripe delivers at least once; what comes again is the same webhook.
            models.UniqueConstraint("event_id", name="webhook_one_per_event"),
            models.CheckConstraint(
                name="webhook_verdict",
                condition=Q(verdict__in=["", "look", "nothing_new", "kept", "foreign"]),
            ),
            models.CheckConstraint(
                name="webhook_handled_has_verdict",
                condition=Q(verdict="", handled_at__isnull=True) | (~Q(verdict="") & Q(handled_at__isnull=False)),
            ),
        ]
        indexes = [
            # Those that had to wait: none, nearly always.
            models.Index("id", name="webhook_open", condition=Q(handled_at__isnull=True)),
            # All that Stripe told about one PaymentIntent, for support.
            models.Index("intent_id", name="webhook_by_intent", condition=~Q(intent_id="")),
            # The list's filter by verdict, newest first: of the rare ones.
            models.Index(
                "verdict", F("id").desc(), name="webhook_by_verdict", condition=Q(verdict__in=["kept", "foreign"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
