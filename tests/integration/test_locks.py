"""Tasks that go on one at a time, each by a lock of its own: none keeps another kind of work waiting."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, connection

from billing_project.dev.simulator import Simulator
from payments import reconcile, retention, statement, tasks
from payments.gateway import Gateway
from payments.models import Pruned, Reconciliation, Statement
from payments.reconcile.run import LOCK as RECONCILING
from payments.refunds.run import LOCK as REFUNDING
from payments.retention.run import LOCK as PRUNING
from payments.statement.make import LOCK as STATING
from tests.conftest import Clock
from tests.integration.refunding import ask, pay, states

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


@contextmanager
def held(*locks: int) -> Iterator[None]:
    """Another worker is at it."""
    with closing(connection.copy(DEFAULT_DB_ALIAS)) as other, other.cursor() as cursor:
        for lock in locks:
            cursor.execute("SELECT pg_advisory_lock(%s)", [lock])
        yield


def test_a_refund_goes_back_while_books_are_compared_and_rows_pruned(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """A comparison may take minutes, and a statement as well: whoever waits for the money doesn't wait for them."""
    ask(pay(stripe_gateway, clock), clock)
    with held(RECONCILING, PRUNING, STATING):
        tasks.give_back()
    assert states() == ["succeeded"]


def test_books_are_compared_while_refunds_go_back(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Or it would say that another comparison is under way, and there is none."""
    with held(REFUNDING, PRUNING, STATING):
        result = reconcile.reconcile_by_schedule(gateway=stripe_gateway, clock=clock)
    assert result is not None
    assert Reconciliation.objects.get().ended_at == clock()


def test_rows_are_pruned_while_all_else_goes_on(clock: Clock, settings: Any) -> None:
    """It is due once a day, and looks whether it is its turn."""
    settings.KEEP_WEBHOOKS = timedelta(days=30)
    with held(REFUNDING, RECONCILING, STATING):
        assert retention.prune_daily(now=clock()) == 0
    assert Pruned.objects.get().pruned_at == clock()


def test_of_one_kind_the_second_leaves_it_to_the_first(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, settings: Any
) -> None:
    """Nothing is done, and nothing is said to be: the next round comes soon."""
    settings.KEEP_WEBHOOKS = timedelta(days=30)
    with held(RECONCILING, PRUNING, STATING):
        assert reconcile.reconcile_by_schedule(gateway=stripe_gateway, clock=clock) is None
        assert statement.make_by_schedule(gateway=stripe_gateway, clock=clock) is None
        assert retention.prune_daily(now=clock()) == 0
    assert not Reconciliation.objects.exists()
    assert Statement.objects.get().ended_at is None
    assert not Pruned.objects.exists()
