"""Settle: record an outcome. The only place where money state changes.

What an answer makes of a payment is in `settling`. State, history and notification are one transaction, under the
payment's row lock; so are the settlings of several payments whose answers came together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from payments import outbox
from payments.answers import Answer, Seen
from payments.charging.notes import Notes
from payments.charging.pause import pause_for_lost_commits
from payments.charging.settling import Settling
from payments.charging.together import together
from payments.models import Attempt, Payment

log = structlog.get_logger(__name__)

# As SQL, since Django takes longer to write these statements than PostgreSQL to carry them out.
_PAYMENTS = """
    SELECT payment.*, attempt.id AS of_attempt
    FROM payments_payment AS payment JOIN payments_attempt AS attempt ON attempt.payment_id = payment.id
    WHERE attempt.id = ANY(%s) ORDER BY payment.id FOR UPDATE OF payment
"""
_ATTEMPTS = "SELECT * FROM payments_attempt WHERE id = ANY(%s) ORDER BY id FOR UPDATE"


@dataclass(frozen=True)
class Settlement:
    """An answer to a call made for this attempt. `task` is for the log, `who` and `reason` for the history, where
    a person had Stripe asked."""

    attempt: int
    answer: Answer
    task: str = ""
    who: str = "stripe"
    reason: str = ""


def settle(*, attempt_id: int, answer: Answer, now: datetime, who: str = "stripe", reason: str = "") -> None:
    """Record what `answer`, to a call made for this attempt, proves. Late and repeated answers do no harm."""
    settle_all([Settlement(attempt_id, answer, who=who, reason=reason)], now=now)


def settle_all(settlements: Sequence[Settlement], *, now: datetime) -> None:
    """Record answers about different payments: all of them, or none where this raises."""
    done: list[Settling] = []
    with together(len(settlements)):
        notes = Notes()
        payments, attempts = _locked([one.attempt for one in settlements])
        kept = [one for one in settlements if not _is_forgotten(one, attempts, now)]
        for one in kept:
            done.append(Settling(payments[one.attempt], attempts[one.attempt], now, one.who, one.reason, notes))
            done[-1].take(one.answer)
        notes.write()
    for settling, one in zip(done, kept, strict=True):
        settling.log(task=one.task)
    if any(settling.is_news for settling in done):
        outbox.wake()


def _locked(ids: Sequence[int]) -> tuple[dict[int, Payment], dict[int, Attempt]]:
    """The payments, in the order in which all lock them, and the attempts, each by the attempt's id."""
    payments = Payment.objects.raw(_PAYMENTS, [list(ids)])
    found: dict[int, Payment] = {getattr(one, "of_attempt"): one for one in payments}  # noqa: B009 - a column beside
    if len({one.id for one in found.values()}) != len(found):
        raise ValueError("these attempts are not each of another payment")
    # Locked too: a worker that is about to confirm writes into it without the payment's lock.
    return found, {one.id: one for one in Attempt.objects.raw(_ATTEMPTS, [list(ids)])}


def _is_forgotten(one: Settlement, attempts: Mapping[int, Attempt], now: datetime) -> bool:
    """Whether it is a success of an attempt that is gone: none is ever deleted, so its claim and binding are lost."""
    if one.attempt in attempts or not isinstance(one.answer, Seen) or one.answer.intent.status != "succeeded":
        return False
    log.error("success of a forgotten attempt", payment=one.answer.intent.payment, intent=one.answer.intent.id)
    pause_for_lost_commits(who=one.who, now=now)
    return True


def close_unbound(*, payment: Payment, attempt: Attempt, now: datetime, who: str, reason: str) -> None:
    """Close a payment that no PaymentIntent is bound to, so that none can be. The caller holds its row lock."""
    notes = Notes()
    settling = Settling(payment, attempt, now, who, reason, notes)
    settling.closed()
    settling.save()
    notes.write()
