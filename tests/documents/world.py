"""What the commands of the documents are about: for each id that a line names, a fresh row that fits its command."""

import itertools
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from payments import charging
from payments.gateway import Gateway
from payments.models import Break, InboxMessage, Job, Payment
from tests.integration.events import accept, event, record

UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
INTENT = re.compile(r"\bpi_\w+")
# Options whose value depends on where one is, and what it is here.
OPTIONS_HERE = {
    "--replication": "1",  # the tests' Kafka is one broker
}
# Asks, and would wait for somebody at a terminal.
ALSO = {"createsuperuser": ["--noinput"]}


class World:
    """Rows made as the product makes them: through the front door, charged at the simulator."""

    def __init__(self, *, gateway: Gateway, folder: Path) -> None:
        self._gateway = gateway
        self._numbers = itertools.count(1)
        # What a document has its reader write or have.
        (folder / "corrected.json").write_text(json.dumps(event("corrected")))
        # One of each that lists and bulk commands look for; the first one is sub_1, of whom documents speak.
        self.paid()
        self.failed()
        self.parked()

    def fit(self, name: str, words: list[str]) -> list[str]:
        """A management command's words, with ids of rows that suit it."""
        make = PAYMENTS.get(name, World.paid)
        fitted = [UUID.sub(lambda _: str(make(self).id), word) for word in words]
        fitted = [INTENT.sub(lambda _: make(self).intent_id or "", word) for word in fitted]
        for option, value in OPTIONS_HERE.items():
            if option in fitted:
                fitted[fitted.index(option) + 1] = value
        if name == "parked":
            fitted = [str(self.parked().id) if word.isdigit() else word for word in fitted]
        if "--settle" in fitted:
            fitted[fitted.index("--settle") + 1] = str(self.open_break().id)
        if name == "replay_failed":
            self.failed()
        if "--job" in fitted:  # the one whose preview the line before has shown
            fitted[fitted.index("--job") + 1] = str(Job.objects.latest("id").id)
        return [*fitted, *ALSO.get(name, [])]

    def waiting(self) -> Payment:
        """Accepted, and not charged yet."""
        now = datetime.now(UTC)
        due = accept(record(event(self._subscription(), method="pm_1"), at=now), now=now).due
        return Payment.objects.get(id=due[0])

    def paid(self) -> Payment:
        """Charged."""
        return self._charged("pm_1", status="success")

    def failed(self) -> Payment:
        """Declined, and may be tried again."""
        return self._charged("pm_card_chargeDeclinedInsufficientFunds", status="failed")

    def closed(self) -> Payment:
        """Cancelled for good, so that it may be issued again."""
        payment = self.waiting()
        refusal = charging.close(
            payment_id=payment.id, who="aida", reason="wrong price", gateway=self._gateway, now=datetime.now(UTC)
        )
        assert refusal is None, refusal
        return payment

    def parked(self) -> InboxMessage:
        """A record that nobody understands."""
        now = datetime.now(UTC)
        accept(record(event(self._subscription(), price=0), at=now), now=now)
        return InboxMessage.objects.latest("id")

    def open_break(self) -> Break:
        """A difference with Stripe's books."""
        now, payment = datetime.now(UTC), self.paid()
        return Break.objects.create(
            kind="amount",
            intent_id=payment.intent_id or "",
            payment=payment,
            reason="differs",
            found_at=now,
            seen_at=now,
        )

    def _charged(self, method: str, *, status: str) -> Payment:
        now = datetime.now(UTC)
        due = accept(record(event(self._subscription(), method=method), at=now), now=now).due
        charging.charge(payment_ids=due, gateway=self._gateway, clock=lambda: datetime.now(UTC))
        payment = Payment.objects.get(id=due[0])
        assert payment.status == status, payment.reason
        return payment

    def _subscription(self) -> str:
        return f"sub_{next(self._numbers)}"


# The payment that a command wants; any other gets one that is paid.
PAYMENTS: dict[str, Callable[[World], Payment]] = {
    "close": World.waiting,
    "reissue": World.closed,
    "replay_failed": World.failed,
}
