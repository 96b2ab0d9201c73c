"""After a restore nothing is given back once more, whoever had asked for it, and however old the backup is."""

from typing import Any

import pytest

from payments import jobs, refunds
from payments.models import Job, Payment, Refund
from tests.integration.books import Books, backup, breaks, no_guards, restored
from tests.integration.desk import ask

pytestmark = pytest.mark.django_db

DAY = 24


@pytest.fixture(autouse=True)
def _nobody_waits(settings: Any) -> None:
    settings.STRIPE_RATE_LIMIT = 10_000


def carry_out(books: Books) -> None:
    """One round of a worker."""
    due = refunds.find_due(now=books.clock(), limit=100)
    refunds.carry_out(refund_ids=due, gateway=books.gateway, clock=books.clock)


def work(books: Books, job: Job) -> None:
    """A worker goes on with the job, and carries out what it has asked for."""
    jobs.work(job_id=job.id, clock=books.clock, seconds=60)
    carry_out(books)


def go_on(books: Books, job: Job) -> None:
    """Adoption has stopped it; somebody has looked, and wants the rest."""
    job.refresh_from_db()
    assert (job.state, job.stopped_by) == ("stopped", "adoption")
    assert jobs.go_on(job=job, who="staff: aida")
    work(books, job)


def given_back(books: Books, payment: Payment) -> int:
    """What the customer has got from Stripe, in minor units; our rows say the same."""
    payment.refresh_from_db()
    there = sum(one.amount for one in books.stripe.ledger.refunds_of(payment.intent_id or "") if one.status != "failed")
    assert payment.refunded == there
    return there


@pytest.mark.parametrize("hours", [1, DAY + 1])
@pytest.mark.parametrize("at_once", [True, False], ids=["the job goes on at once", "the job goes on after adoption"])
def test_a_job_whose_refund_is_forgotten_does_not_make_another(books: Books, hours: int, at_once: bool) -> None:
    """The backup is of the moment before a worker took up the job."""
    payment = books.paid("a")
    job = ask("refund", [payment], books.clock, amount=2_500)
    with backup():
        work(books, job)
        assert given_back(books, payment) == 2_500
        books.advance(hours=hours)
    restored(books)
    if at_once:
        work(books, job)
        assert job.items.get().state == "waiting", "nobody knows yet what it has done"
    books.adopt()
    go_on(books, job)
    carry_out(books)
    assert given_back(books, payment) == 2_500
    [refund] = Refund.objects.all()
    assert (refund.state, refund.amount) == ("succeeded", 2_500)
    job.refresh_from_db()
    assert (job.state, job.items.get().state) == ("done", "done")
    books.compare(hours=48)
    assert breaks() == []


@pytest.mark.parametrize("hours", [1, DAY + 1])
def test_a_refund_that_was_not_sent_yet_at_the_backup_is_not_made_once_more(books: Books, hours: int) -> None:
    """After a day Stripe knows its key no more: its list has to be asked before anything is sent."""
    payment = books.paid("a")
    refunds.request(payment_id=payment.id, amount=2_500, who="aida", reason="agreed", now=books.clock())
    with backup():
        carry_out(books)
        assert given_back(books, payment) == 2_500
        books.advance(hours=hours)
    restored(books)
    carry_out(books)
    books.adopt()
    carry_out(books)
    assert given_back(books, payment) == 2_500
    assert Refund.objects.get().state == "succeeded"


def test_another_job_that_gets_the_number_of_a_forgotten_one_is_carried_out(books: Books) -> None:
    """Numbers of rows are given anew after a restore."""
    payment = books.paid("a")
    with backup():
        job = ask("refund", [payment], books.clock, amount=2_500)
        work(books, job)
    restored(books)
    books.adopt()
    assert given_back(books, payment) == 2_500
    another = ask("refund", [payment], books.clock, amount=1_000)
    with no_guards():
        another.items.update(job_id=job.id)
        Job.objects.filter(id=another.id).update(id=job.id)
    work(books, Job.objects.get(id=job.id))
    assert given_back(books, payment) == 3_500


def test_a_refund_that_the_bank_gave_back_is_not_told_to_be_under_way(books: Books) -> None:
    """The job was forgotten to have asked for it, and what it asked for has failed since."""
    payment = books.paid("a")
    job = ask("refund", [payment], books.clock, amount=2_500)
    with backup():
        work(books, job)
        [there] = books.stripe.ledger.refunds_of(payment.intent_id or "")
        books.stripe.control.resolve_refund(refund=there.id, outcome="failed")
    restored(books)
    books.adopt()
    go_on(books, job)
    item = job.items.get()
    assert (item.state, item.text) == ("refused", "it was asked for before, and is failed: ask anew")
    assert given_back(books, payment) == 0
