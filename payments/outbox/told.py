"""What is told of a payment: written in the transaction whose outcome it tells, under the payment's row lock.

Ids are derived from payment and transition, so that the same is told under the same id.
"""

from datetime import datetime
from typing import Any, cast

from django.conf import settings

from payments import money, notifications
from payments.models import OutboxMessage, Payment

CE_TYPE = "payment.settled"
CE_TYPE_BACK = "payment.refunded"


def tell(
    *, payment: Payment, attempt: int, transition: str, now: datetime, among: list[OutboxMessage] | None = None
) -> None:
    """Write the notification of an outcome, or put it among others that the caller writes. Call under the payment's
    row lock, in the settling transaction."""
    message = _message(
        payment=payment, transition=transition, metadata=_as_it_stands(payment, attempt=attempt), now=now,
        channel=OutboxMessage.Channel.NOTIFICATIONS, kind=CE_TYPE,
    )  # fmt: skip
    if among is None:
        message.save()
    else:
        among.append(message)


def last_told(payment: Payment) -> OutboxMessage | None:
    """The last notification of this payment that nobody had to ask for; None: nothing was told yet."""
    told = payment.notifications.filter(channel=OutboxMessage.Channel.NOTIFICATIONS)
    again = told.filter(message_id__in=[_again_id(payment, number) for number in range(1, told.count() + 1)])
    return told.exclude(id__in=again).order_by("-id").first()


def tell_again(*, payment: Payment, now: datetime) -> str:
    """Staff have it told once more, as it stands, under an id of its own. Call under the payment's row lock.

    Returns the id, derived from how often it was told. Raises `ValueError` where nothing was told yet.
    """
    first = last_told(payment)
    if first is None:
        raise ValueError("nothing was told yet")
    attempt = payment.attempts.order_by("-number").values_list("number", flat=True).first() or 1
    number = payment.notifications.filter(channel=OutboxMessage.Channel.NOTIFICATIONS).count()
    return _write(
        payment=payment, transition=f"again/{number}", now=now,
        metadata=_as_it_stands(payment, attempt=attempt) | {"resendOf": first.message_id},
        channel=OutboxMessage.Channel.NOTIFICATIONS, kind=CE_TYPE,
    )  # fmt: skip


def _again_id(payment: Payment, number: int) -> str:
    return notifications.notification_id(payment=payment.id, transition=f"again/{number}")


def _as_it_stands(payment: Payment, *, attempt: int) -> dict[str, Any]:
    """What an e-mail needs."""
    if payment.status != Payment.Status.FAILED:
        return {"attempt": attempt}
    return {
        "attempt": attempt,
        "reason": payment.reason,
        "actionRequired": payment.kind == "action",
        "willRetryAt": notifications.iso(payment.retry_at) if payment.retry_at else None,
    }


def tell_back(*, payment: Payment, transition: str, metadata: dict[str, Any], now: datetime) -> None:
    """Write that money went back, or is disputed, for those who keep accounts: on a topic of its own, if there is one,
    as whoever reads `notification.paying` would thank again. Call as `tell`, with `payment.refunded` up to date."""
    if not settings.KAFKA_TOPIC_REFUNDS:
        return
    metadata = {"refunded": in_price_unit(payment, payment.refunded)} | metadata
    _write(
        payment=payment, transition=transition, metadata=metadata, now=now,
        channel=OutboxMessage.Channel.REFUNDS, kind=CE_TYPE_BACK,
    )  # fmt: skip


def in_price_unit(payment: Payment, amount: int) -> int | float:
    """Minor units as the JSON number that this payment's price is told in, whatever PRICE_UNIT is now."""
    unit: money.PriceUnit = "minor" if payment.price == payment.amount else "major"
    return money.as_json_number(money.to_price(amount, currency=payment.currency, unit=unit))


def _write(**what: Any) -> str:
    message = _message(**what)
    message.save()
    return message.message_id


def _message(
    *, payment: Payment, transition: str, metadata: dict[str, Any], channel: str, kind: str, now: datetime
) -> OutboxMessage:
    message_id = notifications.notification_id(payment=payment.id, transition=transition)
    told = notifications.Told(
        payment=payment.id,
        subscription=payment.subscription_as_sent,
        user=payment.user_as_sent,
        price=payment.price,
        currency=payment.currency,
        status=cast("notifications.NotificationStatus", payment.status),
        transaction=payment.intent_id,
        created_at=payment.created_at,
        metadata=metadata,
    )
    return OutboxMessage(
        message_id=message_id,
        channel=channel,
        key=str(payment.id).encode(),
        value=notifications.body(told),
        headers=notifications.headers(notification=message_id, kind=kind, at=now, traceparent=payment.traceparent),
        payment=payment,
        created_at=now,
    )
