"""What Prometheus reads from rows: every name there is, with its labels. Asked of any web process, all say the same.

Labels are names of ours and currencies: nothing here is of a customer. What rows can't tell is in `counters`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One gauge. `says` is its help; each series has a value for each of its labels, in their order."""

    name: str
    says: str
    labels: tuple[str, ...] = ()


UP = Measure(name="billing_ledger_up", says="1 where rows could be read, else 0, and all others are left out.")
PAYMENTS = Measure(
    name="billing_ledger_payments_of_day", says="Payments whose record is of the last 24 hours, as they are now.",
    labels=("currency", "status", "fault"),
)  # fmt: skip
COUNTED_AT = Measure(name="billing_ledger_counted_timestamp_seconds", says="When these were last counted.")
DUE = Measure(name="billing_ledger_due_payments", says="Payments that are due and in no worker's hands.",
              labels=("kind",))  # fmt: skip
DUE_OLDEST = Measure(name="billing_ledger_due_oldest_seconds", says="For how long the first of them is.",
                     labels=("kind",))  # fmt: skip
SLOW = Measure(name="billing_ledger_slow_payments", says="Payments that are pending for more than ten minutes.")
UNKNOWN = Measure(name="billing_ledger_unknown_attempts", says="Attempts whose outcome nobody knows.")
UNKNOWN_OLDEST = Measure(name="billing_ledger_unknown_oldest_seconds", says="Since when the oldest of them began.")
ATTENTION = Measure(name="billing_ledger_attention", says="Rows that a person should look at.", labels=("what",))
PARKED = Measure(name="billing_ledger_parked_records", says="Records that wait for a person.", labels=("verdict",))
PARKED_OLDEST = Measure(name="billing_ledger_parked_oldest_seconds", says="How long the oldest of them has waited.")
OUTBOX = Measure(name="billing_ledger_outbox_rows", says="Records that wait to be published.")
OUTBOX_OLDEST = Measure(name="billing_ledger_outbox_oldest_seconds", says="Age of the oldest of them.")
OUTBOX_REFUSED = Measure(name="billing_ledger_outbox_refused_rows", says="Records that Kafka will never take.")
BREAKS = Measure(name="billing_ledger_breaks_open", says="Differences with Stripe's books.", labels=("kind",))
BREAKS_OLDEST = Measure(name="billing_ledger_breaks_oldest_seconds", says="Age of the oldest of them.")
RECONCILED_AT = Measure(name="billing_ledger_reconciled_timestamp_seconds", says="When Stripe's books were compared.")
AT_REST = Measure(
    name="billing_ledger_money_at_rest", says="Money that is on its way, in minor units.", labels=("stage", "currency")
)
PAUSED = Measure(name="billing_ledger_charging_paused", says="1 while this keeps charging from going on.",
                 labels=("cause",))  # fmt: skip
PROCESSES = Measure(name="billing_ledger_processes", says="Processes that have shown themselves lately.",
                    labels=("process",))  # fmt: skip
PROCESS_SEEN_AT = Measure(name="billing_ledger_process_seen_timestamp_seconds", says="When one last did.",
                          labels=("process",))  # fmt: skip
DISPUTES = Measure(name="billing_ledger_disputes_to_answer", says="Disputes that wait for an answer of ours.")
ANSWER_BY = Measure(name="billing_ledger_dispute_answer_by_timestamp_seconds", says="When the first answer is due.")
JOBS = Measure(name="billing_ledger_jobs_running", says="Jobs of staff that are being done.")
WEBHOOK_AT = Measure(name="billing_ledger_webhook_received_timestamp_seconds", says="When a webhook was last taken.")
REFUSED_AT = Measure(name="billing_ledger_webhook_refused_timestamp_seconds", says="When one was last refused.")
REDIS_UP = Measure(name="billing_redis_up", says="1 where Redis answers, else 0.")
QUEUED = Measure(name="billing_redis_messages", says="Doorbells that wait for a worker.", labels=("queue",))
RATE = Measure(name="billing_redis_stripe_rate", says="Calls per second that are allowed now.", labels=("endpoint",))
USED = Measure(name="billing_redis_stripe_used", says="Share of the limit that is in use.", labels=("endpoint",))

ALL: tuple[Measure, ...] = (
    UP, PAYMENTS, COUNTED_AT, DUE, DUE_OLDEST, SLOW, UNKNOWN, UNKNOWN_OLDEST, ATTENTION, PARKED, PARKED_OLDEST,
    OUTBOX, OUTBOX_OLDEST, OUTBOX_REFUSED, BREAKS, BREAKS_OLDEST, RECONCILED_AT, AT_REST, PAUSED, PROCESSES,
    PROCESS_SEEN_AT, DISPUTES, ANSWER_BY, JOBS, WEBHOOK_AT, REFUSED_AT, REDIS_UP, QUEUED, RATE, USED,
)  # fmt: skip
