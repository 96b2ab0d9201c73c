"""What a stop has to wait for: payments and refunds that a worker has in hand, and what is not told yet."""

from dataclasses import dataclass
from datetime import datetime

from payments.metrics.machinery import WAITING
from payments.metrics.standing import count
from payments.models import Attempt, Job, OutboxMessage, Payment, Refund


@dataclass(frozen=True, kw_only=True)
class InHand:
    """`payments` and `refunds` are being worked on at Stripe, `untold` records wait for the relay. Beside them, what no
    stop has to wait for: `unknown` outcomes, which are asked for later, and `jobs` that run, which go on later."""

    payments: int
    refunds: int
    untold: int
    unknown: int
    jobs: int

    @property
    def is_nothing(self) -> bool:
        """Whether a stop interrupts nobody."""
        return not (self.payments or self.refunds or self.untold)


def look_in_hand(*, now: datetime) -> InHand:
    """Leases first, as the outcome that ends one is written together with what is to be told of it."""
    leased = Payment.objects.filter(closed_at__isnull=True, lease_until__gt=now)
    # Each by an index of few rows, however many payments wait for their turn.
    charged = count(leased.filter(status=Payment.Status.PENDING, attempts__state__in=Attempt.OPEN))
    looked_at = count(leased.filter(status=Payment.Status.FAILED, due_at__isnull=False))
    return InHand(
        payments=charged + looked_at,
        refunds=count(Refund.objects.filter(state__in=Refund.OPEN, due_at__isnull=False, lease_until__gt=now)),
        untold=count(OutboxMessage.objects.filter(**WAITING)),
        unknown=count(Attempt.objects.filter(state=Attempt.State.UNKNOWN).filter(state__in=Attempt.OPEN)),
        jobs=count(Job.objects.filter(state=Job.State.RUNNING)),
    )
