"""What came in, by Kafka and by webhook, and what is told."""

from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from payments.admin.read_only import ReadOnly
from payments.models import InboxMessage, OutboxMessage, Webhook


@admin.register(InboxMessage)
class InboxMessageAdmin(ReadOnly, ModelAdmin):
    """What came in, with verdicts; the parked ones have a reason."""

    list_display = ("__str__", "verdict", "reason", "subscription_id", "received_at", "handled_by")
    list_filter = ("verdict", ("handled_at", admin.EmptyFieldListFilter))
    search_fields = ("=subscription__id", "=event_id")
    ordering = ("-id",)
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("verdict", "reason", "subscription_id", "payment", "event_id")}),
        (_("Dealt with"), {"fields": ("handled_at", "handled_by", "handled_why", "replays", "correction")}),
        (_("Record"), {"fields": ("cluster", "topic", "partition", "offset", "recorded_at", "received_at", "content")}),
    )
    list_select_related = False

    @display(description=_("content"))
    def content(self, record: InboxMessage) -> str:
        """The value as text."""
        return _as_text(record.value)

    @display(description=_("judged again as"))
    def correction(self, record: InboxMessage) -> str:
        """What somebody put in place of the value."""
        return _as_text(record.corrected) if record.corrected is not None else "-"


def _as_text(value: bytes | memoryview | None) -> str:
    text = bytes(value).decode("utf-8", "replace") if value is not None else _("(empty)")
    return format_html("<pre style='white-space: pre-wrap'>{}</pre>", text)


@admin.register(OutboxMessage)
class OutboxMessageAdmin(ReadOnly, ModelAdmin):
    """What is told; what Kafka refused for good has an error."""

    list_display = ("message_id", "channel", "payment", "record", "created_at", "published_at", "refused_at", "error")
    list_filter = (("refused_at", admin.EmptyFieldListFilter), "channel")
    search_fields = ("=message_id",)
    ordering = ("-id",)
    show_full_result_count = False
    fields = list_display


@admin.register(Webhook)
class WebhookAdmin(ReadOnly, ModelAdmin):
    """What Stripe told by itself, and what it was worth."""

    list_display = ("type", "verdict", "object_id", "intent_id", "livemode", "received_at")
    list_filter = ("verdict",)
    search_fields = ("=event_id", "=intent_id")
    search_help_text = _("Event or PaymentIntent, evt_… or pi_… – whole, not a part")
    ordering = ("-id",)
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("type", "event_id", "verdict", "payment")}),
        ("Stripe", {"fields": ("object_id", "intent_id", "account_id", "livemode", "facts")}),
        (_("Times (UTC)"), {"fields": ("received_at", "handled_at")}),
    )
