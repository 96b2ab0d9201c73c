"""The cards of the front page: one number each; here those of what waits, for Stripe or for a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from payments import metrics
from payments.admin.places import list_of
from payments.admin.times import both_zones


@dataclass(frozen=True, kw_only=True)
class Card:
    """One number: what it is, a line under it, where its list is; `tone` is good, bad, wait or empty."""

    label: str
    value: str
    note: str = ""
    link: str = ""
    tone: str = ""


def open_cards(*, now: datetime) -> Sequence[Card]:
    """What waits, for Stripe or for a person; a card that is empty says that this is well."""
    open_ = metrics.look_at_open(now=now)

    def card(label: str, value: int, note: str, link: str, tone: str = "bad") -> Card:
        return Card(label=label, value=number(value), note=note, link=link, tone=tone if value else "empty")

    age = timesince(open_.oldest_pending, now, depth=1) if open_.oldest_pending else _("none")
    slow = now - metrics.SLOW_AFTER if open_.slow else None
    answer_by = ""
    if open_.next_answer_by:
        answer_by = _("the first by %(when)s") % {"when": both_zones(open_.next_answer_by)}
    return [
        Card(
            label=_("Oldest pending"), value=age, link=list_of("payment", status__exact="pending", created_at__lt=slow),
            note=_("%(number)s for more than 10 minutes") % {"number": number(open_.slow)},
            tone="wait" if open_.slow else "empty",
        ),
        card(_("Unknown outcome"), open_.unknown, _("Stripe is being asked"), tone="wait",
             link=list_of("payment", attempts__state__exact="unknown")),
        card(_("Need a look"), open_.payments_to_look_at, _("payments with a note for a person"),
             list_of("payment", attention__gt="")),
        card(_("Refunds to look at"), open_.refunds_to_look_at, _("refunds with a note for a person"),
             list_of("refund", attention__gt="")),
        card(_("Conflicts"), open_.conflicts, _("records set aside: they contradict a payment"),
             list_of("inboxmessage", verdict__exact="conflict")),
        card(_("Unreadable records"), open_.invalid, _("set aside until they are corrected or dismissed"),
             list_of("inboxmessage", verdict__exact="invalid")),
        card(_("Differences from Stripe"), open_.breaks, _("to be settled by Finance"),
             list_of("break", closed_at__isnull=1)),
        card(_("Disputes to answer"), open_.disputes, answer_by or _("evidence is taken until a deadline"),
             list_of("dispute", ended_at__isnull=1, status__in=",".join(metrics.TO_BE_ANSWERED))),
    ]  # fmt: skip


def number(value: int) -> str:
    """With spaces between thousands; of what was counted up to a bound, the bound."""
    capped = value > metrics.MOST_COUNTED
    text = f"{metrics.MOST_COUNTED if capped else value:,}".replace(",", "\N{NO-BREAK SPACE}")
    return f"{text}+" if capped else text
