"""The drill: a backup is put back in the middle of things, and nobody is charged twice or told something else."""

import json
from datetime import timedelta
from typing import Any

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging, intake, reconcile
from payments.gateway import Gateway
from payments.models import OutboxMessage, Payment, Position
from tests.integration.books import Books, backup, breaks
from tests.integration.events import event, record

pytestmark = pytest.mark.django_db

GROUP, TOPIC = "test-group", intake.Topic("test", "payment.createInitial")

# What the twenty payments' cards do, four of each; and a second event for some, with another card.
CARDS = ("pm_1", "pm_poor", "pm_lost", "pm_bank", "pm_slow")
SECOND = {"n01": "pm_1", "n06": "pm_lost", "n11": "pm_1", "n12": "pm_1"}


class Drill(Books):
    """The topic beside the books: records with their places, and how far the group has read."""

    def __init__(self, *, stripe: Simulator, gateway: Gateway) -> None:
        super().__init__(stripe=stripe, gateway=gateway)
        self.topic: list[intake.Record] = []
        self.committed = 0
        for name, behaviour in (
            ("pm_poor", "pm_card_chargeDeclinedInsufficientFunds"), ("pm_lost", "pm_card_chargeDeclinedLostCard"),
            ("pm_bank", "pm_card_authenticationRequired"), ("pm_slow", "processing"),
        ):  # fmt: skip
            stripe.control.add_payment_method(id=name, behaviour=behaviour)

    def produce(self, name: str, method: str) -> None:
        """One event, a second after the last one."""
        self.advance(seconds=1)
        value = event(name, method=method)
        self.topic.append(record(value, at=self.clock(), offset=len(self.topic)))

    def read(self) -> None:
        """As the bridge: compare what was read with the rows, go back where they end, and take in the rest."""
        committed = {0: self.committed}
        forgotten = intake.find_forgotten(topic=TOPIC, committed=committed, now=self.clock())
        if forgotten:
            again = intake.stop_charging(topic=TOPIC, forgotten=forgotten, kept_from={0: 0}, now=self.clock())
            self.committed = again[0]
        intake.accept(records=self.topic[self.committed :], group=GROUP, now=self.clock())
        self.committed = len(self.topic)

    def live(self, *, rounds: int = 12) -> None:
        """Workers do what is due, time goes by, banks decide."""
        for _ in range(rounds):
            self.charge()
            for intent in list(self.stripe.ledger.payment_intents):
                if intent.status == "processing":
                    self.stripe.control.resolve(payment_intent=intent.id)
            self.advance(minutes=2)


@pytest.fixture
def drill(stripe: Simulator, stripe_gateway: Gateway, settings: Any) -> Drill:
    """Nothing waits for tokens here."""
    settings.STRIPE_RATE_LIMIT = 10_000
    return Drill(stripe=stripe, gateway=stripe_gateway)


def told() -> dict[str, tuple[str, str, bytes]]:
    """Payment, status and all of the bytes by the id under which it was told."""
    found = {}
    for row in OutboxMessage.objects.filter(channel="notifications"):
        value = bytes(row.value or b"")
        payment = json.loads(value)["payment"]
        found[row.message_id] = (payment["subscriptionId"], payment["status"], value)
    return found


def outcomes() -> dict[str, tuple[str, str | None]]:
    """Status and PaymentIntent of each payment."""
    return {one.subscription_id: (one.status, one.intent_id) for one in Payment.objects.all()}


def names(first: int, last: int) -> list[tuple[str, str]]:
    """Payments and their cards."""
    return [(f"n{number:02}", CARDS[number % len(CARDS)]) for number in range(first, last)]


# How many records the backup has, and from which on three answers are lost of the first half of these, which are
# charged by then; None: nothing is.
BACKUPS = [
    (0, None), (5, None), (5, 0), (12, None), (12, 0), (12, 4), (20, None), (20, 0), (20, 1), (20, 4), (20, 6),
]  # fmt: skip


@pytest.mark.parametrize(("remembered", "lost"), BACKUPS)
def test_after_a_restore_nobody_is_charged_twice_and_all_is_as_it_was(
    drill: Drill, remembered: int, lost: int | None
) -> None:
    """P1 to P4 over a backup of any age: 20 payments of mixed outcomes, second events, and answers that were lost."""
    for name, card in names(0, remembered):
        drill.produce(name, card)
    drill.read()
    since = drill.clock()
    if lost is not None:
        for number, payment in enumerate(Payment.objects.order_by("subscription_id")[: remembered // 2]):
            if lost <= number < lost + 3:
                drill.stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after", count=1)
            drill.charge(payment)
    with backup():
        for name, card in names(remembered, 20):
            drill.produce(name, card)
        drill.read()
        drill.stripe.control.add_fault(kind="reset", endpoint="confirm", effect="before", count=2)
        drill.stripe.control.add_fault(kind="reset", endpoint="payment_intents.create", effect="after", count=2)
        drill.live()
        for name, card in SECOND.items():
            drill.produce(name, card)
        drill.read()
        drill.live()
        before, told_before = outcomes(), told()
        assert len(before) == 20
        confirms = len(drill.stripe.control.requests(endpoint="payment_intents.confirm"))

    drill.read()
    assert Payment.objects.count() == 20
    assert charging.is_paused()
    drill.live(rounds=2)
    assert len(drill.stripe.control.requests(endpoint="payment_intents.confirm")) == confirms, "paused"

    result = reconcile.reconcile(
        from_at=since - timedelta(hours=1), until_at=drill.clock() + timedelta(minutes=5), asked_by="aida",
        gateway=drill.gateway, clock=drill.clock, adopt=True, page_size=7,
    )  # fmt: skip
    assert not result.interrupted
    assert not charging.is_paused()
    drill.live()

    assert drill.stripe.ledger.twice_charged() == {}
    assert outcomes() == before
    charged_there = {name for name, charges in drill.stripe.ledger.successes_by().items() if charges}
    assert charged_there == {name for name, (status, _) in before.items() if status == "success"}
    again = told()
    assert {key: again[key] for key in again.keys() & told_before.keys()} == {
        key: told_before[key] for key in again.keys() & told_before.keys()
    }
    # Whatever was settled, its last word is told, under an id that was told before.
    last = {name: status for name, status, _ in again.values() if status == before[name][0]}
    assert last == {name: status for name, (status, _) in before.items()}
    assert again.keys() <= told_before.keys()
    assert len(drill.stripe.control.requests(endpoint="payment_intents.confirm")) == confirms, "a card was tried again"
    drill.compare(hours=48)
    assert breaks() == []
    assert Position.objects.get().next_offset == len(drill.topic)
