"""`manage.py statement`: a month of Stripe's balance beside our rows, for who keeps the books."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from payments import gateway, money, statement
from payments.management.terminal import PARTLY, STOPPED, WHO, AnsweringCommand, add_json
from payments.models import Statement

# Of a file or a pipe, where nothing says how wide it is.
WIDTH_OF_A_FILE = 160


class Command(AnsweringCommand):
    """Exit code 0: the books agree, 3: something differs, 1: it couldn't be found out, 2: a wrong option."""

    help = (
        "A month of Stripe's balance beside our rows: charged, refunded, disputed, fees and net by currency, and what "
        "differs (exit code 3). Months are those of UTC. After trouble the same command goes on where it was."
    )
    examples = """
manage.py statement --month 2026-10
manage.py statement --month 2026-10 --csv | less
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """Which month, and in what form."""
        parser.add_argument("--month", type=_month, help="such as 2026-10; without it the last one that is over")
        forms = parser.add_mutually_exclusive_group()
        forms.add_argument("--csv", action="store_true", help="print every line, for a spreadsheet")
        add_json(forms)  # amounts in minor units

    def handle(self, *args: Any, **options: Any) -> None:
        """Progress on stderr, the result on stdout."""
        month = options["month"] or statement.month_of(datetime.now(UTC)).before()
        try:
            made = self._make(month)
        except KeyboardInterrupt:
            raise CommandError("stopped. The same command goes on where it was.", returncode=STOPPED) from None
        if options["csv"]:
            for part in statement.write_sheet(statement=made):
                self.stdout.write(part, ending="")
        else:
            if not options["json"]:
                self._show(made.result)
            self.answer(options, document=made.result, lines=[])
        if count := made.result["differenceCount"]:
            raise CommandError(f"{count} differ{'s' if count == 1 else ''}: see above", returncode=PARTLY)

    def _make(self, month: statement.Month) -> Statement:
        def clock() -> datetime:
            return datetime.now(UTC)

        try:
            asked = statement.ask(month=month, who=WHO, now=clock())
            statement.make(statement=asked, gateway=gateway.connect(), clock=clock, say=self.stderr.write)
        except (statement.Busy, statement.TooEarly) as refusal:
            raise CommandError(str(refusal)) from None
        except statement.Interrupted as interrupted:
            raise CommandError(f"{interrupted}. The same command goes on where it was.") from None
        return asked

    def _show(self, result: dict[str, Any]) -> None:
        out: Any = self.stdout
        console = Console(file=out, highlight=False, width=None if out.isatty() else WIDTH_OF_A_FILE)
        self.stdout.write(f"{result['month']}, from {result['from']} until {result['until']} (UTC)")
        console.print(_sums(result))
        if result["other"]:
            console.print(_others(result))
        for one in result["balance"]:
            self.stdout.write(f"net of all lines: {_amount(one['net'], one['currency'])}")
        if result["differences"]:
            console.print(_differences(result))
        else:
            self.stdout.write("The books agree.")
        if (more := result["differenceCount"] - len(result["differences"])) > 0:
            self.stdout.write(f"and {more} more: --csv has all of them")


def _month(text: str) -> statement.Month:
    try:
        return statement.read_month(text)
    except statement.NoMonth as wrong:
        raise ArgumentTypeError(str(wrong)) from None


def _amount(minor: int, currency: str) -> str:
    return money.for_people(minor, currency=currency)


def _table(*titles: str) -> Table:
    table = Table()
    for title in titles:
        table.add_column(title, overflow="fold", justify="left" if title in LEFT else "right")
    return table


LEFT = ("", "what", "difference", "payment", "at Stripe", "settled in")


def _sums(result: dict[str, Any]) -> Table:
    """Two rows for each currency, one for each side; Stripe's also says what it came to on the balance."""
    table = _table("", *statement.COLUMNS, "gross", "fees", "net")
    for one in result["currencies"]:
        currency = one["currency"]
        sides = {side: [_amount(one[name][side], currency) for name in statement.COLUMNS] for side in ("here", "there")}
        table.add_row(f"{currency} here", *sides["here"])
        settled = [[_amount(of[name], of["currency"]) for name in ("gross", "fee", "net")] for of in one["settled"]]
        table.add_row(f"{currency} Stripe", *sides["there"], *(settled[0] if settled else []))
        for further in settled[1:]:
            table.add_row("", "", "", "", *further)
    return table


def _others(result: dict[str, Any]) -> Table:
    table = _table("what", "lines", "gross", "fees", "net")
    for one in result["other"]:
        amounts = (_amount(one[name], one["currency"]) for name in ("gross", "fee", "net"))
        table.add_row(one["category"], str(one["lines"]), *amounts)
    return table


def _differences(result: dict[str, Any]) -> Table:
    table = _table("difference", "what", "at Stripe", "payment", "here", "Stripe", "by")
    for one in result["differences"]:
        sums = (_amount(**_named(one[side])) if one[side] else "–" for side in ("here", "there", "by"))
        words = f"{one['difference']} {one['why']}".strip()
        table.add_row(words, one["kind"], one["source"] or one["intent"], one["payment"] or "–", *sums)
    return table


def _named(said: dict[str, Any]) -> dict[str, Any]:
    return {"minor": said["amount"], "currency": said["currency"]}
