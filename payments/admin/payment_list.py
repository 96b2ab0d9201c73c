"""The list of payments: what support looks through, searches and exports."""

from typing import Any

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from payments import money
from payments.admin import payment_filters, personal, search
from payments.admin.export import Column, Sheet, amount, plain
from payments.admin.filters import NeedsALook
from payments.admin.lists import List, ListPage
from payments.models import Attempt, Payment

LABELS = {"success": "success", "pending": "warning", "failed": "danger"}


def _with_card(rows: QuerySet[Any]) -> QuerySet[Any]:
    latest = Attempt.objects.filter(payment=OuterRef("pk")).exclude(last4="").order_by("-number")
    brand, last4 = (Subquery(latest.values(name)[:1]) for name in ("brand", "last4"))
    found: QuerySet[Any] = rows.annotate(card_brand=brand, card_last4=last4)
    return found


SHEET = Sheet(
    name="payments",
    order=("created_at", "id"),
    prepare=_with_card,
    columns=(
        plain("payment_id", "id"),
        plain("subscription_id"),
        plain("number"),
        plain("status"),
        amount("amount"),
        plain("currency"),
        amount("refunded", "refunded"),
        plain("reason"),
        plain("fault"),
        plain("kind"),
        plain("code"),
        plain("needs_a_look", "attention"),
        plain("user_id", personal=True),
        plain("email", personal=True),
        plain("payment_intent", "intent_id"),
        plain("card_brand"),
        # As text: a spreadsheet would make 42 of 0042.
        Column(title="card_last4", fields=("card_last4",), make=lambda last4: f"…{last4}" if last4 else ""),
        plain("created_at"),
        plain("accepted_at"),
        plain("settled_at"),
        plain("disputed_at"),
        plain("closed_at"),
    ),
)


class PaymentRows(List):
    """With the cards of the page's payments, in one more statement."""

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        """The rows, with the attempts that know their card."""
        cards = Attempt.objects.exclude(last4="").only("payment_id", "brand", "last4").order_by("number")
        rows: QuerySet[Any] = super().get_queryset(request, *args, **kwargs)
        return rows.prefetch_related(Prefetch("attempts", queryset=cards, to_attr="cards"))


class PaymentList(ListPage):
    """Columns, search, filters; the page of one payment is `payment`'s."""

    list_display = (
        "subscription_id",
        "created_at",
        "amount_for_people",
        "status_label",
        "reason",
        "address",
        "card",
        "attention",
    )
    list_filter = (
        payment_filters.Status,
        payment_filters.Fault,
        payment_filters.FailureKind,
        payment_filters.Currency,
        payment_filters.Amount,
        payment_filters.Made,
        payment_filters.Settled,
        payment_filters.Waiting,
        NeedsALook,
        payment_filters.Disputed,
        payment_filters.Refunded,
    )
    # Says that there is a search field; what is searched is `search.payments`.
    search_fields = ("id",)
    search_help_text = gettext_lazy("E-mail, subscription, user, pi_…, last 4 digits, payment id")
    ordering = ("-created_at",)
    # By anything else, PostgreSQL would sort the whole table.
    sortable_by = ("created_at",)
    sheet = SHEET

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[Any]:
        """The list with cards."""
        return PaymentRows

    def get_list_display(self, request: HttpRequest) -> list[str]:
        """E-mail addresses are masked for those who may not see them."""
        may_see = personal.may_see(request)
        shown = [str(name) for name in super().get_list_display(request)]
        return shown if may_see else ["masked_address" if name == "address" else name for name in shown]

    def find(self, rows: QuerySet[Any], word: search.Word) -> QuerySet[Any]:
        """By whatever a customer gives."""
        return search.among(rows, found=search.payments(word))

    def nothing_found(self, query: str) -> str:
        """What to ask the customer for next."""
        return _(
            "No payment has this identifier. It is compared whole: paste all of an e-mail address, a subscription or "
            "user id, pi_…, the last four digits of the card, or the payment's id, and look whether filters are set. "
            "An event that could not be read is in the list of parked records."
        )

    @display(description=gettext_lazy("amount"))
    def amount_for_people(self, payment: Payment) -> str:
        """In the currency's own form."""
        return money.for_people(payment.amount, currency=payment.currency)

    @display(description=gettext_lazy("status"), label=LABELS)
    def status_label(self, payment: Payment) -> tuple[str, str]:
        """As a coloured label."""
        return payment.status, _(payment.status)

    @display(description=gettext_lazy("e-mail"), empty_value="–")
    def address(self, payment: Payment) -> str | None:
        """As it came."""
        return payment.email or None

    @display(description=gettext_lazy("e-mail"), empty_value="–")
    def masked_address(self, payment: Payment) -> str | None:
        """For those who may not see it."""
        return personal.mask(payment.email) or None

    @display(description=gettext_lazy("card"), empty_value="–")
    def card(self, payment: Payment) -> str | None:
        """Of the last attempt that knows it."""
        cards: list[Attempt] = getattr(payment, "cards", [])
        return f"{cards[-1].brand} …{cards[-1].last4}" if cards else None
