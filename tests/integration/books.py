"""For tests of reconciliation: one clock for Stripe and us, what there is to compare, and the comparison."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import connection

from billing_project.dev.simulator import Simulator
from payments import charging, reconcile
from payments.answers import Seen
from payments.gateway import Gateway
from payments.models import Break, Pause, Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record

# The id of a payment that the database has no row of.
UNKNOWN = "00000000-0000-4000-8000-000000000000"


class Books:
    """Stripe's side, ours, and their common time."""

    def __init__(self, *, stripe: Simulator, gateway: Gateway) -> None:
        self.stripe, self.gateway, self.clock = stripe, gateway, Clock()
        self.clock.now = datetime.fromtimestamp(stripe.ledger.now(), UTC)
        self.began_at = self.clock.now

    def advance(self, **delta: float) -> datetime:
        """Time goes by for both."""
        self.stripe.control.advance_clock(seconds=timedelta(**delta).total_seconds())
        return self.clock.advance(**delta)

    def take_in(self, name: str, **changes: Any) -> Payment:
        """One accepted payment."""
        accept(record(event(name, **({"method": "pm_1"} | changes)), at=self.clock()), now=self.clock())
        return Payment.objects.filter(subscription_id=name).latest("number")

    def charge(self, *payments: Payment) -> None:
        """Charge these, or whatever is due."""
        ids = [payment.id for payment in payments] or list(Payment.objects.values_list("id", flat=True))
        charging.charge(payment_ids=ids, gateway=self.gateway, clock=self.clock)

    def paid(self, name: str, **changes: Any) -> Payment:
        """A payment that is paid."""
        payment = self.take_in(name, **changes)
        self.charge(payment)
        payment.refresh_from_db()
        assert payment.status == "success"
        return payment

    def stray(self, *, amount: int = 10_000, currency: str = "kzt", status: str = "succeeded", **metadata: str) -> str:
        """A PaymentIntent that our rows don't know of, with this in its metadata. Returns its id."""
        made = self.stripe.control.add_foreign_payment(
            amount=amount, currency=currency, status=status, metadata=metadata
        )
        return str(made["id"])

    def compare(self, *, hours: float = 24, **options: Any) -> reconcile.Result:
        """One reconciliation of the last hours, a second later."""
        self.advance(seconds=1)
        until_at = self.clock() + timedelta(seconds=2)
        given: dict[str, Any] = {"asked_by": "aida", "gateway": self.gateway, "clock": self.clock} | options
        return reconcile.reconcile(from_at=until_at - timedelta(hours=hours), until_at=until_at, **given)

    def adopt(self, **options: Any) -> reconcile.Result:
        """What `reconcile --adopt` from an hour before the restore does, a second later, to its end."""
        self.advance(seconds=1)
        result = reconcile.reconcile(
            from_at=self.began_at - timedelta(hours=1), until_at=self.clock() + timedelta(minutes=5), asked_by="aida",
            gateway=self.gateway, clock=self.clock, adopt=True, **options,
        )  # fmt: skip
        assert not result.interrupted
        return result

    def forgotten(self, payment: Payment, status: str, *, amount: int = 10_000) -> str:
        """A PaymentIntent of this payment that the database doesn't know of."""
        return self.stray(
            status=status, amount=amount, payment_id=str(payment.id), subscription_id=payment.subscription_id
        )

    def status(self, intent: str) -> str:
        """What Stripe says of a PaymentIntent."""
        seen = self.gateway.retrieve(intent=intent)
        assert isinstance(seen, Seen)
        return seen.intent.status

    def confirms(self) -> int:
        """How often Stripe was asked to charge a card."""
        return len(self.stripe.control.requests(endpoint="payment_intents.confirm"))

    def lists_asked(self) -> list[dict[str, Any]]:
        """The requests for lists that Stripe has had."""
        return [one for one in self.stripe.control.requests() if one["endpoint"].endswith(".list")]


def breaks() -> list[tuple[str, str]]:
    """The open ones, oldest first: kind and PaymentIntent."""
    return [(broken.kind, broken.intent_id) for broken in reconcile.open_breaks()]


def only_break() -> Break:
    """The one open break that there is."""
    [broken] = reconcile.open_breaks()
    return broken


def restored(books: Books) -> None:
    """The database knows that it has forgotten something."""
    charging.pause(cause=Pause.Cause.RESTORED, reason="restored", who="bridge", now=books.clock())


@contextmanager
def no_guards() -> Iterator[None]:
    """As when a backup is put back: nothing that guards the rows is asked."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        try:
            yield
        finally:
            cursor.execute("SET session_replication_role = DEFAULT")


@contextmanager
def backup() -> Iterator[None]:
    """A backup of now; put back at the end of the block."""
    tables = [model._meta.db_table for model in apps.get_app_config("payments").get_models()]
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA backup")
        for table in tables:
            cursor.execute(f"CREATE TABLE backup.{table} AS TABLE {table}")
        yield
        with no_guards():
            for table in tables:
                cursor.execute(f"DELETE FROM {table}")  # noqa: S608
                cursor.execute(f"INSERT INTO {table} SELECT * FROM backup.{table}")  # noqa: S608


def collect() -> tuple[list[str], Callable[[str], None]]:
    """Lines, and who takes them."""
    lines: list[str] = []
    return lines, lines.append
