"""Stripe's balance transactions of a month into rows: newest first, page by page, from where it was interrupted."""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial

from payments.answers import Answer, Page, StripeLine
from payments.gateway import Part
from payments.limits import Endpoint
from payments.models import BalanceLine, Statement
from payments.reconcile import Books
from payments.statement.month import Month
from payments.statement.movement import Kind
from payments.statement.only_here import only_here

# What falls on the edge of a month, or is on Stripe's balance days later, is asked for one by one. More than that is no
# edge: it is another account's key, and the answer would be the same for all.
ASKED_ONE_BY_ONE = 500

# In the place of the last line's id: the list was read to its end.
DONE = "all"


def read_month(*, statement: Statement, books: Books, say: Callable[[str], None]) -> None:
    """Keep every line of the month. Raises `Interrupted`; what was kept until then stays, and the next call goes on."""
    call: Callable[[Part], Page[StripeLine] | Answer] = lambda part: books.gateway.list_balance(part=part)  # noqa: E731
    from_at = Month(first=statement.month).from_at
    if statement.cursor == DONE:
        return
    for page in books.pages(
        endpoint=Endpoint.BALANCE_LIST, call=call, from_at=from_at, until_at=statement.until_at, after=statement.cursor
    ):
        keep(page.items)
        statement.cursor, statement.lines = page.last or DONE, statement.lines + len(page.items)
        statement.save(update_fields=["cursor", "lines"])
        say(f"{statement.lines} lines read")


def ask_for_missing(*, statement: Statement, books: Books, say: Callable[[str], None]) -> None:
    """Lines of rows of ours that the month hasn't: they may be in another one. Raises `Interrupted`."""
    window = (Month(first=statement.month).from_at, statement.until_at)
    missing = list(_missing(window, statement.account_id))
    if missing:
        say(f"{len(missing)} asked for one by one")
    for source, intent in missing:
        asked = source or _charge_of(books, intent)
        if not asked:
            continue
        reply = books.ask(endpoint=Endpoint.BALANCE_LIST, call=partial(books.gateway.balance_of, source=asked))
        # Refused: of what Stripe doesn't know it has no line either.
        if isinstance(reply, Page):
            keep(reply.items)


def keep(lines: Iterable[StripeLine]) -> None:
    """Write them; those that are here already stay as they are."""
    BalanceLine.objects.bulk_create(
        (
            BalanceLine(
                line_id=line.id, category=line.category, gross=line.gross, fee=line.fee, net=line.net,
                settled_in=line.settled_in, exchange_rate=line.exchange_rate, source_id=line.source,
                intent_id=line.intent, payment=line.payment, amount=line.amount, currency=line.currency,
                created_at=line.created_at,
            )
            for line in lines
        ),
        ignore_conflicts=True,
    )  # fmt: skip


def _missing(window: tuple[datetime, datetime], account: str) -> Iterable[tuple[str, str]]:
    for number, (source, movement) in enumerate(only_here(from_at=window[0], until_at=window[1], account=account)):
        if number == ASKED_ONE_BY_ONE:
            return
        yield source, movement.intent if movement.kind is Kind.CHARGE else ""


def _charge_of(books: Books, intent: str) -> str:
    """Of a payment that another service has charged, only Stripe knows the charge."""
    if not intent:
        return ""
    reply = books.ask(endpoint=Endpoint.CHARGE_LIST, call=lambda: books.gateway.charges_of(intent=intent))
    # Refused: a PaymentIntent that Stripe doesn't know has no charge. One such row must not keep a month from its end.
    charges = reply.items if isinstance(reply, Page) else ()
    return next((one.id for one in charges if one.status == "succeeded"), "")
