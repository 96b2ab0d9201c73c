"""What rows can't tell, for Prometheus: how Stripe answers and how long it takes, what becomes of tasks and of jobs.

Counted where it happens, in each process for itself, and read on the METRICS_PORT of the worker; calls to Stripe also
beside the rows of the web process, and commands say how many they have made. Every name there is stands here. Labels
are names of ours: nothing here is of a customer, and counting never fails what it counts.
"""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

# When a counter began: as many series again, which nobody reads.
disable_created_metrics()  # type: ignore[no-untyped-call]

WORKER = CollectorRegistry()

# Stripe's endpoints, by the names that the rate limit has for them (`limits.Endpoint`).
StripeEndpoint = Literal[
    "create", "confirm", "retrieve", "update", "cancel", "list", "payment_method", "account", "charge_list", "refund",
    "refund_retrieve", "refund_list", "dispute_retrieve", "dispute_list", "balance_list",
]  # fmt: skip
# What a call can come to. Those that prove nothing: no_answer, unreadable, server_error, too_many, conflict.
StripeAnswer = Literal[
    "answered", "declined", "rejected", "key_refused", "no_answer", "unreadable", "server_error", "too_many", "conflict"
]

# From Stripe's quickest answer to our time-out of 28 s.
_STRIPE_SECONDS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0)
# From a sweep with nothing to do to a slice of reconciliation.
_TASK_SECONDS = (0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

STRIPE_ANSWERS = Counter(
    "billing_stripe_answers_total", "Calls to Stripe that are over, by what they came to.",
    ["endpoint", "answer"], registry=WORKER,
)  # fmt: skip
STRIPE_SECONDS = Histogram(
    "billing_stripe_seconds", "How long they took.", ["endpoint"], buckets=_STRIPE_SECONDS, registry=WORKER
)
MESSAGE_PAYMENTS = Histogram(
    "billing_worker_message_payments", "Payments that one doorbell names.", buckets=(1, 2, 5, 10, 25, 50),
    registry=WORKER,
)  # fmt: skip
TASKS = Counter("billing_worker_tasks_total", "Tasks that have ended, by how.", ["task", "state"], registry=WORKER)
TASK_SECONDS = Histogram(
    "billing_worker_task_seconds", "How long they took.", ["task"], buckets=_TASK_SECONDS, registry=WORKER
)
JOB_ITEMS = Counter(
    "billing_worker_job_items_total", "Things that jobs of staff are about, by what became of them.",
    ["action", "outcome"], registry=WORKER,
)  # fmt: skip


def count_answer(*, endpoint: StripeEndpoint, answer: StripeAnswer, seconds: float) -> None:
    """One call to Stripe is over."""
    STRIPE_ANSWERS.labels(endpoint, answer).inc()
    STRIPE_SECONDS.labels(endpoint).observe(seconds)


def calls_made() -> int:
    """Calls to Stripe that are over, of this process."""
    samples = (sample for family in STRIPE_ANSWERS.collect() for sample in family.samples)
    return int(sum(sample.value for sample in samples if sample.name.endswith("_total")))


def count_task(*, task: str, state: str, seconds: float | None) -> None:
    """One task has ended. `seconds` is None where nobody saw it begin."""
    TASKS.labels(task, state.lower()).inc()
    if seconds is not None:
        TASK_SECONDS.labels(task).observe(seconds)
