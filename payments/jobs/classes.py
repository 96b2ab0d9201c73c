"""What a job on payments is about, in numbers: by class of failure, by reason of refusal, and by how they ended."""

import uuid
from collections import defaultdict
from dataclasses import dataclass

from django.db.models import Count, Sum

from payments.models import Job, JobItem


@dataclass(frozen=True, kw_only=True)
class Class:
    """Payments that failed alike: how many, and their sum in minor units of `currency`."""

    fault: str
    kind: str
    code: str
    currency: str
    count: int
    amount: int


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """What is refused for the same reason, in the job's order."""

    why: str
    payments: tuple[uuid.UUID, ...]


def find_classes(job: Job) -> list[Class]:
    """What a preview would act on, the largest class first. Once a payment is tried again it has no class any more."""
    names = ("fault", "kind", "code", "currency")
    found = (
        job.items.filter(state=JobItem.State.WAITING)
        .values_list(*(f"payment__{name}" for name in names))
        .annotate(count=Count("id"), amount=Sum("payment__amount"))
        .order_by("-count", *(f"payment__{name}" for name in names))
    )
    return [
        Class(fault=fault, kind=kind, code=code, currency=currency, count=count, amount=int(amount))
        for fault, kind, code, currency, count, amount in found
    ]


def find_refusals(job: Job) -> list[Refusal]:
    """Who is refused and why, the commonest reason first."""
    found: dict[str, list[uuid.UUID]] = defaultdict(list)
    refused = job.items.filter(state=JobItem.State.REFUSED).order_by("number")
    for why, payment in refused.values_list("text", "payment_id").iterator(chunk_size=1_000):
        found[why].append(payment)
    ordered = sorted(found.items(), key=lambda one: (-len(one[1]), one[0]))
    return [Refusal(why=why, payments=tuple(payments)) for why, payments in ordered]


def find_outcomes(job: Job) -> dict[str, int]:
    """How the payments stand now to which it was done: {status: how many}."""
    done = job.items.filter(state=JobItem.State.DONE).values_list("payment__status").annotate(count=Count("id"))
    return dict(done.order_by("payment__status"))
