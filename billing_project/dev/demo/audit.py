"""Does every payment have the state that the simulator's ledger says? What `make run ARGS=--exit` ends with."""

import json
from collections import Counter
from datetime import datetime
from typing import Any
from urllib.request import urlopen

from payments.models import Break, InboxMessage, OutboxMessage, Payment


def is_at_rest(*, records: int, since: int, began: datetime) -> bool:
    """Whether all records since that inbox id have a verdict, nothing that came in since is pending, all is told."""
    return (
        InboxMessage.objects.filter(id__gt=since).count() >= records
        and not Payment.objects.filter(status=Payment.Status.PENDING, accepted_at__gte=began).exists()
        and not OutboxMessage.objects.filter(published_at__isnull=True, refused_at__isnull=True).exists()
    )


def fetch_ledger(*, stripe: str) -> dict[str, Any]:
    """What the simulator has charged."""
    with urlopen(f"{stripe}/_control/ledger", timeout=10) as answer:  # noqa: S310 - our own, on the loopback
        ledger: dict[str, Any] = json.load(answer)
    return ledger


def differences(ledger: dict[str, Any]) -> list[str]:
    """One line for each payment whose state isn't the ledger's, or that was charged twice. What reconciliation has
    found, and shows to a person, is known."""
    charged: Counter[str] = Counter()
    shown = set(Break.objects.filter(closed_at__isnull=True).values_list("intent_id", flat=True))
    for intent in ledger["payment_intents"]:
        if intent["id"] in shown:
            continue
        charged[intent["metadata"].get("payment_id", "")] += intent["successful_charges"]
    found = []
    for payment in Payment.objects.all():
        times = charged.pop(str(payment.id), 0)
        if times != (1 if payment.status == Payment.Status.SUCCESS else 0):
            found.append(f"payment {payment.id} is {payment.status}, the ledger has {times} charges")
    found += [
        f"the ledger has {times} charges for {payment!r}, unknown here" for payment, times in charged.items() if times
    ]
    return found
