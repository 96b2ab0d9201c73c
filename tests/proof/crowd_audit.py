"""What must hold of a random history beyond what holds of every life."""

from collections import Counter

from payments.models import Attempt, InboxMessage, Payment, Refund, Webhook
from tests.proof.audit import Audit, audit_always, audit_at_rest
from tests.proof.crowd import Crowd


def audit_under_way(world: Crowd) -> Audit:
    """At any moment."""
    audit = audit_always(world)
    calls = world.gate.calls_in_transactions
    audit.expect("P1", calls == 0, f"{calls} calls to Stripe while a transaction was open")
    return audit


def audit_soon(world: Crowd) -> Audit:
    """Three minutes after the last trouble: settled, or shown to a person."""
    audit = audit_under_way(world)
    begun = dict(Attempt.objects.order_by("number").values_list("payment_id", "created_at"))
    for payment in audit.payments:
        settled = payment.status != "pending" or payment.attention != ""
        # Another attempt may have begun since: its own three minutes aren't over, and at rest it is looked at again.
        settled |= begun.get(payment.id, world.peace_at) > world.peace_at
        words = f"{payment.subscription_id}/{payment.number}: neither settled nor shown after three minutes"
        audit.expect("P5", settled, words)
    return audit


def audit_crowd(world: Crowd) -> Audit:
    """When all is at rest."""
    audit = audit_at_rest(world)
    _audit_counts(audit, world)
    attempts = {attempt.payment_id: attempt for attempt in Attempt.objects.order_by("number")}
    for payment in audit.payments:
        if payment.status == "pending":
            _audit_endless(audit, world, payment, attempts.get(payment.id))
    for part in world.cast.parts:
        if part.sound and part.subscription not in world.staff.closed:
            paid = [payment.status for payment in audit.payments if payment.subscription_id == part.subscription]
            audit.expect("P3", paid == ["success"], f"{part.subscription}: its card pays, and it ended as {paid}")
    _audit_money_back(audit, world)
    waiting = Webhook.objects.filter(handled_at__isnull=True).count()
    audit.expect("P2", waiting == 0, f"{waiting} webhooks that nobody took up")
    return audit


def _audit_counts(audit: Audit, world: Crowd) -> None:
    """What came in is what there is."""
    verdicts = Counter(InboxMessage.objects.values_list("verdict", flat=True))
    known = verdicts["accepted"] + verdicts["duplicate"] + verdicts["conflict"] + verdicts["invalid"]
    audit.expect("P2", known == len(world.topic), f"{verdicts} of {len(world.topic)} records")
    asked = set(InboxMessage.objects.exclude(verdict="invalid").values_list("subscription_id", flat=True))
    answered = {payment.subscription_id for payment in audit.payments}
    audit.expect("P2", asked == answered, f"records of {asked}, payments of {answered}")
    open_ones = Counter(payment.subscription_id for payment in audit.payments if payment.closed_at is None)
    audit.expect("P1", max(open_ones.values(), default=0) <= 1, f"open payments: {open_ones}")


def _audit_money_back(audit: Audit, world: Crowd) -> None:
    """What was given back there is what we say was given back; nothing that was asked for once went back twice."""
    ledger = world.stripe.ledger
    with ledger.lock:
        there = [(one.payment_intent, one.amount, one.status, one.metadata.get("refund_id")) for one in ledger.refunds]
    for payment in audit.payments:
        mine = [(amount, status) for intent, amount, status, _ in there if intent == payment.intent_id]
        given = sum(amount for amount, status in mine if status == "succeeded")
        words = f"{payment.subscription_id}/{payment.number}: {payment.refunded} refunded, {given} at Stripe"
        audit.expect("P3", payment.refunded == given, words)
    times = Counter(ours for _, _, status, ours in there if ours and status not in ("failed", "canceled"))
    for refund in Refund.objects.all():
        audit.expect("P1", times[str(refund.id)] <= 1, f"refund {refund.id} was made {times[str(refund.id)]} times")
        ended = refund.state not in Refund.OPEN or refund.attention != ""
        audit.expect("P5", ended, f"refund {refund.id} is {refund.state}, and nobody is shown it")


def _audit_endless(audit: Audit, world: Crowd, payment: Payment, attempt: Attempt | None) -> None:
    """Pending for ever is only what Stripe itself never tells."""
    method = attempt.payment_method if attempt else payment.payment_method
    words = f"{payment.subscription_id}/{payment.number}: pending for ever with {method}"
    audit.expect("P5", method in world.cast.endless, words)
