"""What is seen here of Stripe without asking it: whether its webhooks come, and whose mode our payments are of."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.dateparse import parse_datetime

from payments.models import Heartbeat, Payment, Webhook

# For so long a webhook that was refused, or that didn't come, is worth a word.
WEBHOOKS_WITHIN = timedelta(hours=1)
# Stripe's webhooks come within seconds; some minutes late is no news.
WEBHOOKS_AFTER = timedelta(minutes=5)
# Payments at either end of the list whose mode is compared with the key's: all of them would be too many.
MODES_OF = 200


@dataclass(frozen=True, kw_only=True)
class Webhooks:
    """`accepted_at`: when the last one came. `refused_at`: when one was refused lately, and none came after it; why,
    and how many. `silent_since`: something was paid within the hour, and Stripe told nothing."""

    accepted_at: datetime | None
    refused_at: datetime | None = None
    refused_why: str = ""
    refused: int = 0
    silent_since: datetime | None = None


def look_at_webhooks(*, now: datetime) -> Webhooks:
    """As the rows and the web processes' heartbeats tell."""
    accepted_at = Webhook.objects.order_by("-id").values_list("received_at", flat=True).first()
    refusals = [beat.facts for beat in Heartbeat.objects.filter(process="web") if "refused_at" in beat.facts]
    last: dict[str, Any] = max(refusals, key=lambda facts: str(facts["refused_at"]), default={})
    refused_at = parse_datetime(str(last.get("refused_at", "")))
    # Anybody can send us rubbish: as long as Stripe's own webhooks come through, that is no news.
    if refused_at and refused_at > max(now - WEBHOOKS_WITHIN, accepted_at or refused_at - WEBHOOKS_WITHIN):
        return Webhooks(
            accepted_at=accepted_at, refused_at=refused_at, refused_why=str(last["refused_why"]),
            refused=sum(int(one.get("refused", 0)) for one in refusals),
        )  # fmt: skip
    paid_at = (
        Payment.objects.filter(
            status=Payment.Status.SUCCESS, settled_at__gt=now - WEBHOOKS_WITHIN, settled_at__lt=now - WEBHOOKS_AFTER
        )
        .order_by("settled_at").values_list("settled_at", flat=True).first()
    )  # fmt: skip
    silent = paid_at and (accepted_at is None or accepted_at < now - WEBHOOKS_WITHIN)
    return Webhooks(accepted_at=accepted_at, silent_since=(accepted_at or paid_at) if silent else None)


def other_mode_since(*, is_live: bool) -> datetime | None:
    """When the first payment of the other mode was made, of the newest or of the oldest ones; None: there is none."""
    for order in ("-created_at", "created_at"):
        some = Payment.objects.order_by(order).values_list("livemode", "created_at")[:MODES_OF]
        other = [made_at for livemode, made_at in some if livemode is (not is_live)]
        if other:
            return min(other)
    return None
