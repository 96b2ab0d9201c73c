"""What goes back to customers: refunds, and what their banks dispute, in words."""

from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from payments import explain, money, words
from payments.admin import search
from payments.admin.export import Sheet, amount, plain
from payments.admin.filters import NeedsALook, OpenDispute
from payments.admin.lists import ListPage
from payments.admin.times import column
from payments.models import Dispute, Refund

REFUNDS = Sheet(
    name="refunds",
    order=("created_at", "id"),
    columns=(
        plain("refund", "refund_id"),
        plain("payment_id"),
        plain("payment_intent", "payment__intent_id"),
        plain("subscription_id", "payment__subscription_id"),
        amount("amount", currency="payment__currency"),
        plain("currency", "payment__currency"),
        plain("state"),
        plain("asked_by"),
        plain("reason"),
        plain("needs_a_look", "attention"),
        plain("code"),
        plain("created_at"),
        plain("ended_at"),
    ),
)
DISPUTES = Sheet(
    name="disputes",
    order=("id",),
    columns=(
        plain("dispute", "dispute_id"),
        plain("payment_id"),
        plain("payment_intent", "payment__intent_id"),
        plain("subscription_id", "payment__subscription_id"),
        plain("charge", "charge_id"),
        amount("amount"),
        plain("currency"),
        plain("reason"),
        plain("status"),
        plain("respond_by"),
        plain("opened_at"),
        plain("ended_at"),
    ),
)

_REFUND_LABELS = {
    "succeeded": "success", "failed": "danger", "rejected": "danger", "canceled": "warning", "sending": "info",
    "unknown": "warning", "pending": "info",
}  # fmt: skip


def _stripe(stripe_id: str | None, *, livemode: bool | None) -> str:
    """A link to Stripe's dashboard, where it has a page."""
    link = explain.dashboard(stripe_id, livemode=livemode)
    if not link:
        return stripe_id or "–"
    return format_html(
        "<a href='{}' target='_blank' rel='noopener noreferrer' class='text-primary-700 underline "
        "dark:text-primary-400'>{}</a>",
        link,
        stripe_id,
    )


@admin.register(Refund)
class RefundAdmin(ListPage):
    """What goes back to customers, newest first; what needs a look says why."""

    list_display = ("payment", "amount_for_people", "state", "asked_by", "reason", "attention", "created_at")
    list_filter = ("state", NeedsALook)
    search_fields = ("refund_id",)
    search_help_text = _("re_…, or what finds its payment")
    ordering = ("-created_at",)
    sortable_by = ("created_at",)
    list_select_related = ("payment",)
    sheet = REFUNDS
    fieldsets = (
        (None, {"fields": ("in_words", "amount_for_people", "payment", "who", "reason", "attention")}),
        (_("Stripe"), {"fields": ("at_stripe", "code", "request_id", "id")}),
        (
            _("Times"),
            {
                "fields": (
                    column("created_at", _("asked for")),
                    column("ended_at", _("ended")),
                    column("due_at", _("Stripe is asked again")),
                )
            },
        ),
    )

    def find(self, rows: QuerySet[Any], word: search.Word) -> QuerySet[Any]:
        """By its own id, or by whatever finds its payment."""
        return search.by_payment(rows, word, own="refund_id")

    @display(description=_("amount"))
    def amount_for_people(self, refund: Refund) -> str:
        """In the currency's own form."""
        return money.for_people(refund.amount, currency=refund.payment.currency)

    @display(description=_("how it stands"), label=_REFUND_LABELS)
    def in_words(self, refund: Refund) -> tuple[str, str]:
        """Coloured."""
        return refund.state, words.word(words.REFUNDS, refund.state)

    @display(description=_("asked for by"))
    def who(self, refund: Refund) -> str:
        """By name, or Stripe."""
        return words.person(refund.asked_by)

    @display(description=_("at Stripe"))
    def at_stripe(self, refund: Refund) -> str:
        """In its dashboard."""
        return _stripe(refund.refund_id, livemode=refund.payment.livemode)


@admin.register(Dispute)
class DisputeAdmin(ListPage):
    """What customers' banks dispute: open ones first, by the time until which evidence is taken."""

    list_display = ("dispute_id", "payment", "amount_for_people", "reason", "status", "deadline", "ended_at")
    # Not by status, which is Stripe's to name: whether it is open is what matters.
    list_filter = (OpenDispute,)
    search_fields = ("dispute_id",)
    search_help_text = _("du_…, or what finds its payment")
    ordering = (F("ended_at").desc(nulls_first=True), F("respond_by").asc(nulls_last=True))
    list_select_related = ("payment",)
    sheet = DISPUTES
    fieldsets = (
        (
            None,
            {"fields": ("in_words", "deadline", "to_do", "why", "amount_for_people", "payment", "at_stripe")},
        ),
        (_("Stripe's own words"), {"fields": ("status", "reason", "charge_id")}),
        (
            _("Times"),
            {
                "fields": (
                    column("opened_at", _("opened")),
                    column("respond_by", _("answer until")),
                    column("seen_at", _("Stripe said so")),
                    column("ended_at", _("ended")),
                )
            },
        ),
    )

    def find(self, rows: QuerySet[Any], word: search.Word) -> QuerySet[Any]:
        """By its own id, or by whatever finds its payment."""
        return search.by_payment(rows, word, own="dispute_id")

    @display(description=_("amount"))
    def amount_for_people(self, dispute: Dispute) -> str:
        """In the currency's own form."""
        return money.for_people(dispute.amount, currency=dispute.currency)

    @display(description=_("how it stands"))
    def in_words(self, dispute: Dispute) -> str:
        """Instead of Stripe's word."""
        return words.word(words.DISPUTE_STATUSES, dispute.status)

    @display(description=_("why"))
    def why(self, dispute: Dispute) -> str:
        """What the customer told their bank."""
        return words.word(words.DISPUTE_REASONS, dispute.reason)

    @display(description=_("what to do"))
    def to_do(self, dispute: Dispute) -> str:
        """The next step."""
        return words.dispute_next_step(dispute.status)

    @display(description=_("deadline"), ordering="respond_by")
    def deadline(self, dispute: Dispute) -> str:
        """Until when to answer, and how long that is from now."""
        return explain.deadline_of(dispute, now=timezone.now()) or "–"

    @display(description=_("at Stripe"))
    def at_stripe(self, dispute: Dispute) -> str:
        """In its dashboard."""
        return _stripe(dispute.dispute_id, livemode=dispute.payment.livemode)
