"""The ledger: what PostgreSQL holds, and what it refuses to hold.

The constraints are the last line of defence of the promises: code may be wrong, raced or killed, and the
database still refuses a second open payment or a second open attempt. In the order an event meets them.
"""

from payments.models.attempt import Attempt, Transition
from payments.models.count import CountedUntil, HourlyCount
from payments.models.heartbeat import Heartbeat
from payments.models.inbox import InboxMessage, Position, Subscription
from payments.models.job import Job, JobItem
from payments.models.outbox import OutboxMessage
from payments.models.pause import Pause
from payments.models.payment import Payment
from payments.models.reconciliation import Break, Reconciliation
from payments.models.refund import Dispute, Refund
from payments.models.retention import Erasure, Pruned
from payments.models.staff import StaffEntry
from payments.models.statement import BalanceLine, Statement
from payments.models.webhook import Webhook

__all__ = [
    "Attempt",
    "BalanceLine",
    "Break",
    "CountedUntil",
    "Dispute",
    "Erasure",
    "Heartbeat",
    "HourlyCount",
    "InboxMessage",
    "Job",
    "JobItem",
    "OutboxMessage",
    "Pause",
    "Payment",
    "Position",
    "Pruned",
    "Reconciliation",
    "Refund",
    "StaffEntry",
    "Statement",
    "Subscription",
    "Transition",
    "Webhook",
]
