"""What came in, by Kafka and by webhook, and what is told."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from payments.admin import personal
from payments.admin.in_bulk import InBulk
from payments.admin.read_only import ReadOnly
from payments.admin.times import column
from payments.admin.watched import Watched
from payments.models import InboxMessage, OutboxMessage, Webhook


@admin.register(InboxMessage)
class InboxMessageAdmin(InBulk, Watched, ReadOnly, ModelAdmin):
    """What came in, with verdicts; the parked ones have a reason."""

    change_form_outer_after_template = "admin/payments/with_actions.html"
    list_display = ("__str__", "verdict", "reason", "subscription_id", "received_at", "handled_by")
    list_filter = ("verdict", ("handled_at", admin.EmptyFieldListFilter))
    search_fields = ("=subscription__id", "=event_id")
    ordering = ("-id",)
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("verdict", "reason", "subscription_id", "payment", "event_id")}),
        ("Dealt with", {"fields": ("handled_at", "handled_by", "handled_why", "replays", "correction")}),
        ("Record", {"fields": ("cluster", "topic", "partition", "offset", "recorded_at", "received_at", "content")}),
    )
    list_select_related = False

    class Media:
        css: ClassVar = {"all": ["payments/records.css"]}

    def get_fieldsets(self, request: HttpRequest, obj: InboxMessage | None = None) -> Any:
        """A record as it came has everything of the customer in it."""
        found = super().get_fieldsets(request, obj)
        if personal.may_see(request):
            return found
        return personal.instead(found, {"content": "hidden", "correction": "hidden"})

    @display(description="content")
    def hidden(self, record: InboxMessage) -> str:
        """For who may not see personal data."""
        return personal.hidden()

    @display(description="content")
    def content(self, record: InboxMessage) -> str:
        """The value as text."""
        return _as_text(record.value)

    @display(description="judged again as")
    def correction(self, record: InboxMessage) -> str:
        """What somebody put in place of the value."""
        return _as_text(record.corrected) if record.corrected is not None else "-"


def _as_text(value: bytes | memoryview | None) -> str:
    text = bytes(value).decode("utf-8", "replace") if value is not None else "(empty)"
    return format_html("<pre class='desk-raw'>{}</pre>", text)


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
    search_help_text = "Event or PaymentIntent, evt_… or pi_… – whole, not a part"
    ordering = ("-id",)
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("type", "event_id", "verdict", "payment")}),
        ("Stripe", {"fields": ("object_id", "intent_id", "account_id", "livemode", "facts")}),
        (_("Times"), {"fields": (column("received_at", _("came in")), column("handled_at", _("judged")))}),
    )
