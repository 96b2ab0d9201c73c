"""The time line of one payment: everything that happened to it, each with its evidence, oldest first."""

import json
from collections.abc import Iterator
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from payments import words
from payments.actions import title
from payments.explain.links import dashboard
from payments.explain.records import record_events
from payments.explain.story import Event, Fact, Tone
from payments.models import Attempt, Break, InboxMessage, JobItem, OutboxMessage, Payment, Transition, Webhook

_TONES: dict[str, Tone] = {"success": "good", "failed": "bad", "pending": "wait"}
_QUIET: Tone = "rest"


def time_line(payment: Payment) -> tuple[Event, ...]:
    """All of it. What happened in one moment stands in the order: in, done, out."""
    sources = (_accepted, _steps, _other_records, _overtaken, _webhooks, _notifications, _staff, _differences)
    return tuple(sorted((event for source in sources for event in source(payment)), key=lambda event: event.at))


def evidence(**values: Any) -> tuple[Fact, ...]:
    """Labels and values; what is empty is left out."""
    return tuple(
        Fact(label=name.replace("_", " "), value=str(value))
        for name, value in values.items()
        if value not in ("", None, (), [], {})
    )


def _accepted(payment: Payment) -> Iterator[Event]:
    """What came in and led on."""
    for record in payment.records.filter(verdict=InboxMessage.Verdict.ACCEPTED).order_by("id"):
        yield from record_events(record)


def _other_records(payment: Payment) -> Iterator[Event]:
    """What came in beside, and what was set aside of its subscription."""
    about = Q(payment=payment)
    if payment.number == 1:
        about |= Q(payment=None, subscription=payment.subscription_id)
    for record in InboxMessage.objects.filter(about).exclude(verdict=InboxMessage.Verdict.ACCEPTED).order_by("id"):
        yield from record_events(record)


def _steps(payment: Payment) -> Iterator[Event]:
    for step in payment.history.select_related("attempt").order_by("id"):
        attempt = step.attempt
        moved = step.from_status != step.to_status
        text = words.change(
            from_status=step.from_status, to_status=step.to_status, attempt_state=step.attempt_state, why=step.why
        )
        facts = evidence(noted_as=step.why, status=f"{step.from_status or 'new'} → {step.to_status}")
        if attempt:
            text = _("Try %(number)d. %(what)s") % {"number": attempt.number, "what": text}
            facts += _of_attempt(attempt, step, payment)
        yield Event(
            at=step.at, kind="try" if attempt else "step", text=text, who=words.person(step.who),
            tone=_TONES.get(step.to_status, _QUIET) if moved else _QUIET,
            evidence=facts + _of_step(step, payment),
        )  # fmt: skip


def _of_attempt(attempt: Attempt, step: Transition, payment: Payment) -> tuple[Fact, ...]:
    """What the try was, where it began; what came of it, where it ended."""
    if step.attempt_state == Attempt.State.SENDING:
        return evidence(payment_method=attempt.payment_method, idempotency_key=attempt.idempotency_key)
    facts = evidence(
        state=attempt.state, code=attempt.code, decline_code=attempt.decline_code, advice_code=attempt.advice_code,
        network_advice_code=attempt.network_advice_code, network_decline_code=attempt.network_decline_code,
        answers_that_proved_nothing=attempt.tries or "", payment_method=attempt.payment_method,
    )  # fmt: skip
    if attempt.charge_id and "charge" not in step.evidence:
        link = dashboard(payment.intent_id, livemode=payment.livemode)
        facts += (Fact(label="charge", value=attempt.charge_id, link=link),)
    return facts


def _of_step(step: Transition, payment: Payment) -> tuple[Fact, ...]:
    """What was kept with it: places, ids and codes."""
    return tuple(
        Fact(
            label=name.replace("_", " "), value=str(value),
            link=dashboard(value, livemode=payment.livemode) if isinstance(value, str) else "",
        )
        for name, value in step.evidence.items()
        if value not in ("", None)
    )  # fmt: skip


def _overtaken(payment: Payment) -> Iterator[Event]:
    """Tries that a success of another one has ended: that step has no line of its own in the history."""
    for attempt in payment.attempts.filter(state=Attempt.State.SUPERSEDED):
        yield Event(
            at=attempt.ended_at or attempt.created_at, kind="try",
            text=_("Try %(number)d: overtaken by another one that succeeded") % {"number": attempt.number},
            evidence=evidence(request=attempt.request_id, payment_method=attempt.payment_method),
        )  # fmt: skip


def _webhooks(payment: Payment) -> Iterator[Event]:
    about = Q(payment=payment)
    if payment.intent_id:
        about |= Q(intent_id=payment.intent_id)
    for webhook in Webhook.objects.filter(about).order_by("id"):
        yield webhook_event(webhook)


def webhook_event(webhook: Webhook) -> Event:
    """What Stripe told by itself, and what it was worth."""
    verdict = words.word(words.WEBHOOKS, webhook.verdict)
    return Event(
        at=webhook.received_at, kind="webhook", who="Stripe",
        text=_("Stripe told us “%(type)s”: %(verdict)s") % {"type": webhook.type, "verdict": verdict},
        evidence=(
            Fact(label="event", value=webhook.event_id, link=dashboard(webhook.event_id, livemode=webhook.livemode)),
            *evidence(about=webhook.object_id, mode="live" if webhook.livemode else "test", handled=webhook.handled_at),
            *evidence(**webhook.facts),
        ),
    )  # fmt: skip


def _notifications(payment: Payment) -> Iterator[Event]:
    for message in payment.notifications.order_by("id"):
        yield from notification_events(message)


def notification_events(message: OutboxMessage) -> Iterator[Event]:
    """When it was written, and when Kafka had it; or that it never will."""
    channel, told = words.word(words.CHANNELS, message.channel), _told(message)
    facts = evidence(ce_id=message.message_id, ce_type=message.headers.get("ce_type"), **told)
    says = f" (“{told['status']}”)" if told else ""
    yield Event(
        at=message.created_at, kind="notification", evidence=facts,
        text=_("Written, to be published: %(what)s") % {"what": channel} + says,
    )  # fmt: skip
    if message.published_at:
        yield Event(
            at=message.published_at, kind="notification", evidence=evidence(ce_id=message.message_id),
            text=_("Published: %(what)s. Kafka has it; the e-mail is another service's") % {"what": channel},
        )  # fmt: skip
    if message.refused_at:
        yield Event(
            at=message.refused_at, kind="notification", tone="act",
            evidence=evidence(ce_id=message.message_id, error=message.error),
            text=_("Not published: Kafka does not take %(what)s. An engineer must look") % {"what": channel},
        )  # fmt: skip


def _told(message: OutboxMessage) -> dict[str, Any]:
    """What was said, without who it was said to."""
    if message.channel == OutboxMessage.Channel.DEAD_LETTERS or message.value is None:
        return {}
    said = json.loads(bytes(message.value))["payment"]
    return {"status": said["status"]} | {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
        for name, value in said["metadata"].items()
    }


def _staff(payment: Payment) -> Iterator[Event]:
    for item in JobItem.objects.filter(payment=payment).select_related("job").order_by("id"):
        yield item_event(item)


def item_event(item: JobItem) -> Event:
    """What staff asked for in a job, and what became of it here."""
    job = item.job
    state = words.word(words.ITEMS, item.state)
    text = _("Staff: %(action)s, %(state)s") % {"action": title(job.action), "state": state}
    refused = item.state == JobItem.State.REFUSED
    return Event(
        at=item.at or job.created_at, kind="staff", who=words.person(job.asked_by),
        text=f"{text}. {item.text}" if item.text else text, tone="act" if refused else "rest",
        evidence=evidence(job=job.id, reason=job.reason, approved_by=job.approved_by, item=item.number),
    )  # fmt: skip


def _differences(payment: Payment) -> Iterator[Event]:
    for broken in Break.objects.filter(payment=payment).order_by("id"):
        facts = evidence(kind=broken.kind, intent=broken.intent_id, charge=broken.charge_id, reason=broken.reason)
        yield Event(
            at=broken.found_at, kind="books", tone="act", evidence=facts,
            text=_("Stripe's books differ: %(what)s") % {"what": words.word(words.BREAKS, broken.kind)},
        )  # fmt: skip
        if broken.closed_at:
            yield Event(
                at=broken.closed_at, kind="books", who=words.person(broken.closed_by), evidence=facts,
                text=_("The difference is settled: %(why)s") % {"why": broken.closed_why},
            )  # fmt: skip
