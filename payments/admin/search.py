"""Search: whatever the customer gave is pasted whole, and found by one index or another.

Each kind of word has statements of its own, joined by their ids: with OR between columns, of which some are in other
tables, PostgreSQL would read the whole table.
"""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, assert_never

from django.contrib import messages
from django.db.models import Model, QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest
from django.utils.translation import gettext as _

from payments.models import Attempt, Dispute, Payment, Refund

# What comes along with a pasted word, from e-mails and tables.
AROUND = " \t\r\n\"'<>,;()[]"
_LAST4 = re.compile(r"^[*•xX.…\-\s]*(\d{4})$")


class Kind(Enum):
    """What a word can be, by its look."""

    PAYMENT = "payment"
    INTENT = "intent"
    EMAIL = "email"
    REFUND = "refund"
    DISPUTE = "dispute"
    LAST4 = "last4"  # or a subscription's or user's id of four digits
    NAME = "name"  # a subscription's or user's id


@dataclass(frozen=True, kw_only=True)
class Word:
    """What was searched for. `text` is personal data where `kind` is `EMAIL` or `NAME`."""

    text: str
    kind: Kind


def read(pasted: str) -> Word | None:
    """The one word that was pasted; None if it is none, or several."""
    text = pasted.strip(AROUND)
    if card := _LAST4.match(text):
        return Word(text=card[1], kind=Kind.LAST4)
    if not text or len(text.split()) > 1:
        return None
    try:
        return Word(text=str(uuid.UUID(text)), kind=Kind.PAYMENT)
    except ValueError:
        pass
    if text.startswith("pi_"):
        # What a front end calls the client secret begins with the id.
        return Word(text=text.partition("_secret")[0], kind=Kind.INTENT)
    for prefix, kind in (("re_", Kind.REFUND), ("pyr_", Kind.REFUND), ("du_", Kind.DISPUTE), ("dp_", Kind.DISPUTE)):
        if text.startswith(prefix):
            return Word(text=text, kind=kind)
    return Word(text=text, kind=Kind.EMAIL if "@" in text else Kind.NAME)


def payments(word: Word) -> list[QuerySet[Any]]:
    """Statements that find the payments, each by an index of its own."""
    rows, text = Payment.objects.order_by(), word.text
    match word.kind:
        case Kind.PAYMENT:
            found: list[QuerySet[Any]] = [rows.filter(id=text)]
        case Kind.INTENT:
            found = [rows.filter(intent_id=text)]
        case Kind.EMAIL:
            found = [rows.alias(address=Lower("email")).filter(address=text.lower()).exclude(email="")]
        case Kind.REFUND:
            return [Refund.objects.order_by().filter(refund_id=text).values("payment_id")]
        case Kind.DISPUTE:
            return [Dispute.objects.order_by().filter(dispute_id=text).values("payment_id")]
        case Kind.NAME | Kind.LAST4:
            found = [rows.filter(subscription_id=text), rows.filter(user_id=text)]
        case _:
            assert_never(word.kind)
    ids: list[QuerySet[Any]] = [one.values("id") for one in found]
    if word.kind is Kind.LAST4:
        ids.append(Attempt.objects.order_by().filter(last4=text).exclude(last4="").values("payment_id"))
    return ids


def among(rows: QuerySet[Any], *, found: Sequence[QuerySet[Any]], field: str = "id") -> QuerySet[Any]:
    """Those rows whose `field` one of the statements finds."""
    first, *others = found
    return rows.filter(**{f"{field}__in": first.union(*others) if others else first})


def by_payment(rows: QuerySet[Any], word: Word, *, own: str) -> QuerySet[Any]:
    """Rows that belong to a payment: by its identifiers, or by Stripe's id of the row itself, in the field `own`."""
    model: type[Model] = rows.model
    here = model._default_manager.order_by()
    theirs = [here.filter(payment_id__in=one).values("pk") for one in payments(word)]
    return among(rows, found=[here.filter(**{own: word.text}).values("pk"), *theirs], field="pk")


def say_why_not(request: HttpRequest, pasted: str) -> None:
    """Nothing could be searched for: what to do instead."""
    words = len(pasted.split())
    if words > 1:
        text = _("Search for one thing at a time: these are %(count)s words. Paste one identifier, whole.")
        messages.warning(request, text % {"count": words})
