"""One settling: what an answer makes of a payment and its attempt, whose rows are locked.

P3: `success` only when Stripe says succeeded, `failed` only when it proves that nothing was taken. It is total:
every answer and every PaymentIntent status has its arrow below, and what proves nothing stays `unknown`.
"""

from datetime import datetime, timedelta
from typing import Any, assert_never

import structlog
from django.conf import settings

from payments import declines, outbox, retry_policy, tracing
from payments.answers import Answer, Declined, Intent, Misconfigured, Rejected, Seen, Unknown
from payments.charging.arrows import ARROWS
from payments.charging.integrity import find_mismatch
from payments.charging.notes import Notes
from payments.charging.pause import pause, pause_for_lost_commits
from payments.charging.retry import SCHEDULE, find_retry, request_attempt
from payments.models import Attempt, Pause, Payment, Transition
from payments.models.changes import values_of

log = structlog.get_logger(__name__)

# Our key is refused: nothing about this payment will change that, so look again at leisure.
PAUSE_MISCONFIGURED = timedelta(seconds=30)


class Settling:
    """One settling under way: the locked rows, and who settles when and why."""

    def __init__(self, payment: Payment, attempt: Attempt, now: datetime, who: str, reason: str, notes: Notes) -> None:
        self.payment, self.attempt, self.now, self.who, self.reason = payment, attempt, now, who, reason
        self._notes = notes
        self._read = values_of(payment), values_of(attempt)
        self._before = payment.status, attempt.state
        self._outcome = ""

    @property
    def is_news(self) -> bool:
        """Whether anybody has moved."""
        return self._before != (self.payment.status, self.attempt.state)

    def log(self, *, task: str) -> None:
        """Say what has become of it; after the commit. `task`: that it was charged in, if any."""
        payment, attempt = self.payment, self.attempt
        log.info(
            "settled" if self.is_news else "nothing new",
            payment=str(payment.id), attempt=attempt.number, status=payment.status, state=attempt.state,
            outcome=self._outcome, code=payment.code, request=attempt.request_id,
            trace=tracing.id_of(payment.traceparent), **tracing.task_of(task),
        )  # fmt: skip

    def take(self, answer: Answer) -> None:
        """One arrow for every answer; whoever had a lease has none any more."""
        self._outcome = type(answer).__name__
        self.payment.lease_until, self.payment.deliveries = None, 0
        self.attempt.request_id = answer.request or self.attempt.request_id
        intent = answer.intent if isinstance(answer, Seen | Declined) else None
        mismatch = find_mismatch(self.payment, intent) if intent else ""
        if mismatch:
            self.payment.attention = f"Stripe's answer is not about this payment: {mismatch}"
            log.error("integrity check failed", payment=str(self.payment.id), why=mismatch)
            self._unknown("integrity")
        else:
            self._arrow(answer)
        self.save()

    def save(self) -> None:
        """Both rows are as they shall be."""
        payment, attempt = self._read
        self._notes.rows += [(self.attempt, attempt), (self.payment, payment)]

    def _arrow(self, answer: Answer) -> None:
        match answer:
            case Seen(intent=intent, refusal=refusal):
                self._seen(intent, refusal)
            case Declined():
                self._declined(answer)
            case Rejected():
                self._rejected(answer)
            case Misconfigured():
                self._misconfigured(answer)
            case Unknown():
                self._unknown(answer.why, key_is_spent=answer.key_is_spent)
            case _:
                assert_never(answer)

    def _seen(self, intent: Intent, refusal: Declined | None) -> None:
        match intent.status:
            case "succeeded":
                self._succeeded(intent)
            case "canceled":
                self.closed()
            case _ if self.payment.status == Payment.Status.FAILED:
                self._still_failed()
            case "processing":
                self._processing()
            case "requires_action" if self.attempt.state in Attempt.OPEN:
                meaning = declines.BY_CODE["authentication_required"]
                self._failed(Attempt.State.ACTION_REQUIRED, meaning, "authentication_required")
            case "requires_payment_method" if refusal and self.attempt.state == Attempt.State.PROCESSING:
                # Its confirm was carried out, as Stripe was seen at it; and now that is over.
                self._declined(refusal)
            case status:
                # 200 is not success. Nor is it a decline: a confirm may still be on its way.
                self._unknown(status)

    def _succeeded(self, intent: Intent) -> None:
        payment, attempt = self.payment, self.attempt
        if payment.status == Payment.Status.SUCCESS:
            return
        if payment.closed_at:
            payment.attention = "Stripe says succeeded, but this payment was closed: money was taken"
            log.error("success of a closed payment", payment=str(payment.id))
            return
        if payment.intent_id is None:
            # Its binding was committed before the confirm could leave, and is gone: adoption settles it.
            log.error("success of an unbound payment", payment=str(payment.id), intent=intent.id)
            pause_for_lost_commits(who=self.who, now=self.now)
            self._unknown("not bound")
            return
        if attempt.state not in Attempt.OPEN:  # or there is no other, as at most one is open
            payment.attempts.filter(state__in=Attempt.OPEN).update(state=Attempt.State.SUPERSEDED, ended_at=self.now)
        if attempt.state in ARROWS:
            self._end(Attempt.State.SUCCEEDED)
            attempt.charge_id, attempt.brand, attempt.last4 = intent.charge, intent.face.brand, intent.face.last4
        payment.fault = payment.kind = payment.code = payment.reason = payment.attention = ""
        self._to(Payment.Status.SUCCESS, why="Stripe says succeeded", charge=intent.charge)
        payment.due_at = payment.retry_at = None
        self._tell("success")

    def closed(self) -> None:
        """Nothing more can be taken: fails what was pending, and tells; what has failed stays as it was told."""
        payment = self.payment
        if payment.status == Payment.Status.SUCCESS or payment.closed_at:
            return
        payment.closed_at = self.now
        if payment.status == Payment.Status.FAILED:
            self._to(Payment.Status.FAILED, why=f"closed: {self.reason or 'canceled at Stripe'}")
        else:
            self._take_open_attempt()
            meaning = declines.Meaning(fault="us", kind="hard", text=declines.OUR_FAULT)
            self._failed(Attempt.State.REJECTED, meaning, "canceled")
        payment.due_at = payment.retry_at = None

    def _take_open_attempt(self) -> None:
        """A look that was slow may be of an earlier attempt: what ends the payment ends the one under way."""
        under_way = self.payment.attempts.select_for_update().filter(state__in=Attempt.OPEN)
        if self.attempt.state not in Attempt.OPEN and (found := under_way.first()):
            self._read = self._read[0], values_of(found)
            found.request_id = self.attempt.request_id
            self.attempt = found

    def _declined(self, answer: Declined) -> None:
        if self.attempt.state not in Attempt.OPEN:
            return
        if not declines.is_listed(code=answer.code, decline_code=answer.decline_code):
            log.warning("unknown decline code", code=answer.decline_code or answer.code)
        meaning = declines.meaning_of_decline(
            code=answer.code, decline_code=answer.decline_code,
            advice_code=answer.advice_code, network_advice_code=answer.network_advice_code,
        )  # fmt: skip
        for name in ("code", "decline_code", "advice_code", "network_advice_code", "network_decline_code"):
            setattr(self.attempt, name, getattr(answer, name))
        self.attempt.charge_id, self.attempt.card = answer.charge, answer.card
        self.attempt.brand, self.attempt.last4 = answer.face.brand, answer.face.last4
        acts = meaning.kind == "action"
        self._failed(
            Attempt.State.ACTION_REQUIRED if acts else Attempt.State.DECLINED,
            meaning,
            answer.decline_code or answer.code,
        )

    def _rejected(self, answer: Rejected) -> None:
        if self.attempt.state not in Attempt.OPEN:
            self._still_failed()
        elif answer.unexpected_state or self.attempt.in_doubt:
            self._unknown(answer.code)
        else:
            self.attempt.code = answer.code
            self._failed(Attempt.State.REJECTED, declines.meaning_of_rejection(code=answer.code), answer.code)

    def _misconfigured(self, answer: Misconfigured) -> None:
        """Our fault, perhaps everybody's trouble: nothing is settled."""
        log.error("stripe refuses our key", http_status=answer.http_status, code=answer.code)
        what = "Stripe does not have its PaymentIntent" if answer.http_status == 404 else "Stripe refuses our key"
        reason = f"{what} ({answer.http_status}): check STRIPE_SECRET_KEY"
        # Whoever stood still may bring this late: what is settled meanwhile needs nobody for it.
        if self.payment.status == Payment.Status.PENDING or answer.http_status == 404:
            self.payment.attention = reason
        if answer.everyones:
            pause(cause=Pause.Cause.KEY, reason=reason, who=self.who, now=self.now)
        if self.payment.due_at:
            self.payment.due_at = self.now + PAUSE_MISCONFIGURED

    def _unknown(self, why: str, *, key_is_spent: bool = False) -> None:
        payment, attempt = self.payment, self.attempt
        if attempt.state not in Attempt.OPEN:
            if payment.status == Payment.Status.FAILED and payment.due_at:
                # A look at a failed payment that saw nothing doesn't count as one.
                payment.due_at = _earlier(self.now + retry_policy.FAILED_LOOKS[0], payment.retry_at)
            return
        attempt.tries += 1
        attempt.in_doubt |= attempt.sent_at is not None
        attempt.key_is_spent |= key_is_spent
        payment.due_at = self.now + retry_policy.pause_after_unknown(attempt.tries)
        self._show_if_slow("its outcome is still unknown")
        if attempt.state != Attempt.State.UNKNOWN:
            attempt.state = Attempt.State.UNKNOWN
            self._to(Payment.Status.PENDING, why="outcome unknown: " + why)
            self._tell_pending()

    def _processing(self) -> None:
        if self.attempt.state not in Attempt.OPEN:
            return
        self.attempt.tries += 1
        self.payment.due_at = self.now + retry_policy.pause_after_unknown(self.attempt.tries)
        self._show_if_slow("Stripe is still processing it")
        if self.attempt.state != Attempt.State.PROCESSING:
            self.attempt.state = Attempt.State.PROCESSING
            self._to(Payment.Status.PENDING, why="Stripe is processing it")
            self._tell_pending()

    def _show_if_slow(self, why: str) -> None:
        """P5: what won't be settled in time is shown to a person by the last look before."""
        payment, limit = self.payment, self.attempt.created_at + retry_policy.UNKNOWN_BEFORE_A_LOOK
        if payment.due_at and payment.due_at > limit and not payment.attention:
            payment.attention = why

    def _still_failed(self) -> None:
        """A look at a failed payment that found nothing new; the next one is further away, the last the last."""
        payment = self.payment
        if payment.status != Payment.Status.FAILED or payment.due_at is None:
            return
        first = payment.settled_at + retry_policy.FAILED_LOOKS[0] if payment.settled_at else self.now
        if payment.looks == 0 and self.now < first:
            # Before the first look of all: a hint made it due, and takes none of the schedule's looks away.
            payment.due_at = _earlier(first, payment.retry_at)
            return
        payment.looks += 1
        pause = retry_policy.pause_after_failed_look(payment.looks)
        payment.due_at = _earlier(self.now + pause if pause else None, payment.retry_at)

    def _failed(self, state: str, meaning: declines.Meaning, code: str) -> None:
        payment = self.payment
        transition = "closed"  # of a payment whose next attempt hadn't begun
        if self.attempt.state in Attempt.OPEN:
            transition = f"failed/{self.attempt.number}"
            self._end(state)
        payment.fault, payment.kind, payment.code, payment.reason = (
            meaning.fault,
            meaning.kind,
            code,
            meaning.text,
        )
        payment.attention = ""
        payment.looks = 0
        self._to(Payment.Status.FAILED, why=self.reason or f"{state}: {code}")
        payment.due_at = self.now + retry_policy.FAILED_LOOKS[0] if payment.intent_id else None
        card = self.attempt.card
        payment.retry_at = find_retry(payment=payment, card=card, beside=self._notes.declines_of(card), now=self.now)
        payment.due_at = _earlier(payment.due_at, payment.retry_at)
        if self.attempt.asked_by != SCHEDULE:
            self._tell(transition)
        if payment.next_payment_method and not payment.closed_at:
            self._use_next_method()

    def _use_next_method(self) -> None:
        self._notes.write()  # what has happened before
        payment = self.payment
        method, customer = payment.next_payment_method, payment.next_customer
        payment.next_payment_method, payment.next_customer = "", None
        request_attempt(
            payment=payment, asked_by="event", payment_method=method, customer=customer, now=self.now,
            why="another payment method had come in meanwhile",
        )  # fmt: skip

    def _end(self, state: str) -> None:
        if state not in ARROWS[self.attempt.state]:
            raise AssertionError(f"no arrow from {self.attempt.state} to {state}")
        self.attempt.state, self.attempt.ended_at = state, self.now

    def _to(self, status: str, *, why: str, **evidence: Any) -> None:
        payment, attempt = self.payment, self.attempt
        if status != Payment.Status.PENDING:
            payment.settled_at = self.now
        step = Transition(
            payment=payment, attempt=attempt, from_status=payment.status, to_status=status,
            attempt_state=attempt.state, who=self.who, why=why, at=self.now,
            evidence={"request": attempt.request_id, "intent": payment.intent_id} | evidence,
        )  # fmt: skip
        self._notes.history.append(step)
        payment.status = status

    def _tell_pending(self) -> None:
        """Once per attempt that somebody asked for, and only where somebody wants to know."""
        if not settings.NOTIFY_PENDING or self.attempt.asked_by == SCHEDULE:
            return
        self._notes.write()
        times = self.attempt.history.filter(attempt_state__in=(Attempt.State.UNKNOWN, Attempt.State.PROCESSING))
        if times.count() == 1:
            self._tell(f"pending/{self.attempt.number}")

    def _tell(self, transition: str) -> None:
        outbox.tell(
            payment=self.payment, attempt=self.attempt.number, transition=transition, now=self.now,
            among=self._notes.told,
        )  # fmt: skip


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((at for at in (one, other) if at), default=None)
