"""What the demo shows: one line for each thing that happens, read from the rows as they appear."""

from collections.abc import Iterator

from rich.markup import escape

from payments import money
from payments.models import InboxMessage, OutboxMessage, Transition

_STYLES = {"success": "green", "failed": "red", "pending": "yellow"}


class Story:
    """Remembers what was told; begins with what happens after it was made."""

    def __init__(self) -> None:
        self._record = _last(InboxMessage)
        self._transition = _last(Transition)
        self._published: set[int] = set(
            OutboxMessage.objects.filter(published_at__isnull=False).values_list("id", flat=True)
        )

    def news(self) -> Iterator[str]:
        """Lines in rich's markup, in the order of an event's way: received, charged, told."""
        for record in InboxMessage.objects.filter(id__gt=self._record).order_by("id"):
            self._record = record.id
            who = record.subscription_id or "?"
            why = f"  [dim]{escape(record.reason)}[/]" if record.reason else ""
            yield f"[cyan]received[/]  {who:<18} {record.verdict}{why}"
        transitions = Transition.objects.filter(id__gt=self._transition).order_by("id").select_related("payment")
        for step in transitions:
            self._transition = step.id
            if step.from_status == step.to_status or not step.from_status:
                continue
            payment = step.payment
            amount = money.for_people(payment.amount, currency=payment.currency)
            style = _STYLES[step.to_status]
            what = f"[{style}]{step.to_status:<8}[/]  {payment.subscription_id:<18} {amount:>14}"
            yield f"{what}  [dim]{escape(step.why)}[/]"
        waiting = OutboxMessage.objects.filter(published_at__isnull=False).exclude(id__in=self._published)
        for message in waiting.order_by("id").select_related("payment", "record"):
            self._published.add(message.id)
            if message.payment and message.published_at:
                ms = (message.published_at - message.created_at).total_seconds() * 1000
                yield f"[blue]told[/]      {message.payment.subscription_id:<18} [dim]{ms:.0f} ms after the commit[/]"
            else:
                yield f"[magenta]parked[/]    {'':<18} [dim]published to the dead-letter topic[/]"


def _last(model: type[InboxMessage] | type[Transition]) -> int:
    return model.objects.order_by("-id").values_list("id", flat=True).first() or 0
