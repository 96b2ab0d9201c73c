"""What came in, by Kafka and by webhook, and what is told."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from payments.admin import personal, search
from payments.admin.export import Sheet, plain
from payments.admin.filters import Refused, Verdict
from payments.admin.in_bulk import InBulk
from payments.admin.lists import ListPage
from payments.admin.times import column
from payments.admin.watched import Watched
from payments.models import InboxMessage, OutboxMessage, Webhook

RECORDS = Sheet(
    name="records",
    order=("id",),
    # Without the value, which is whatever somebody sent.
    columns=(
        plain("topic"),
        plain("partition"),
        plain("offset"),
        plain("verdict"),
        plain("reason"),
        plain("subscription_id"),
        plain("payment_id"),
        plain("event_id"),
        plain("recorded_at"),
        plain("received_at"),
        plain("replays"),
        plain("handled_at"),
        plain("handled_by"),
        plain("handled_why"),
    ),
)


@admin.register(InboxMessage)
class InboxMessageAdmin(InBulk, Watched, ListPage):
    """What came in, with verdicts; the parked ones have a reason."""

    change_form_outer_after_template = "admin/payments/with_actions.html"
    list_display = ("__str__", "verdict", "reason", "subscription_id", "received_at", "handled_by")
    list_filter = (Verdict,)
    search_fields = ("event_id",)
    search_help_text = _("Subscription, event, or what finds its payment")
    ordering = ("-id",)
    sortable_by = ()
    sheet = RECORDS
    fieldsets = (
        (None, {"fields": ("verdict", "reason", "subscription_id", "payment", "event_id")}),
        (_("Dealt with"), {"fields": ("handled_at", "handled_by", "handled_why", "replays", "correction")}),
        (_("Record"), {"fields": ("cluster", "topic", "partition", "offset", "recorded_at", "received_at", "content")}),
    )
    list_select_related = False

    def get_fieldsets(self, request: HttpRequest, obj: InboxMessage | None = None) -> Any:
        """A record as it came has everything of the customer in it."""
        found = super().get_fieldsets(request, obj)
        if personal.may_see(request):
            return found
        return personal.instead(found, {"content": "hidden", "correction": "hidden"})

    @display(description=_("content"))
    def hidden(self, record: InboxMessage) -> str:
        """For who may not see personal data."""
        return personal.hidden()

    def find(self, rows: QuerySet[Any], word: search.Word) -> QuerySet[Any]:
        """By subscription, by whatever finds its payment, or by the producer's event id: of what was accepted, or was
        set apart, as those have an index."""
        here = InboxMessage.objects.order_by()
        found = [here.filter(payment_id__in=one).values("pk") for one in search.payments(word)]
        found.append(here.filter(subscription_id=word.text).values("pk"))
        found.append(here.filter(event_id=word.text, verdict="accepted").exclude(event_id="").values("pk"))
        found.append(here.filter(event_id=word.text).exclude(verdict="accepted").values("pk"))
        return search.among(rows, found=found)

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
    return format_html("<pre class='desk-raw'>{}</pre>", text)


@admin.register(OutboxMessage)
class OutboxMessageAdmin(ListPage):
    """What is told; what Kafka refused for good has an error."""

    list_display = ("message_id", "channel", "payment", "record", "created_at", "published_at", "refused_at", "error")
    list_filter = (Refused, "channel")
    search_fields = ("=message_id",)
    search_help_text = _("The message's id, whole")
    ordering = ("-id",)
    sortable_by = ()
    fields = list_display


@admin.register(Webhook)
class WebhookAdmin(ListPage):
    """What Stripe told by itself, and what it was worth."""

    list_display = ("type", "verdict", "object_id", "intent_id", "livemode", "received_at")
    list_filter = ("verdict",)
    search_fields = ("=event_id", "=intent_id")
    search_help_text = _("Event or PaymentIntent, evt_… or pi_…, whole")
    ordering = ("-id",)
    sortable_by = ()
    fieldsets = (
        (None, {"fields": ("type", "event_id", "verdict", "payment")}),
        ("Stripe", {"fields": ("object_id", "intent_id", "account_id", "livemode", "facts")}),
        (_("Times"), {"fields": (column("received_at", _("came in")), column("handled_at", _("judged")))}),
    )
