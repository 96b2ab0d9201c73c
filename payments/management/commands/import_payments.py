"""`manage.py import_payments`: take over what the replaced service has charged."""

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from payments import intake
from payments.intake import Problem
from payments.management.progress import Show
from payments.management.terminal import DRY, WHO, AnsweringCommand, add_acting, add_json

NAMED = 20


class Command(AnsweringCommand):
    """A dry run unless `--yes`; all lines or none; what was imported before is left as it is."""

    help = (
        "Import the subscriptions that the replaced service has charged, so that events about them are duplicates. "
        "FILE: CSV with a header, or one JSON object a line, with subId, price (in the unit of PRICE_UNIT), currency, "
        "transactionId (pi_…), paidAt (with its zone), userId and, if known, email. Nothing is charged and nobody is "
        "told. A dry run unless --yes."
    )
    examples = """
manage.py import_payments paid.csv
manage.py import_payments paid.csv --reason "cut-over" --yes
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """Which file, and why."""
        parser.add_argument("file", type=Path, help="UTF-8")
        add_acting(parser, kept="in each payment's history", default="import_payments")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Two lines; exit code 1 with a line for each that is bad."""
        now = datetime.now(UTC)
        try:
            with options["file"].open(encoding="utf-8-sig", newline="") as lines:
                paid, problems = intake.read_paid(lines=lines, price_unit=settings.PRICE_UNIT, now=now)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise CommandError(f"{options['file']} can't be read as CSV in UTF-8 ({type(error).__name__})") from None
        self._refuse(problems)
        try:
            with Show(self.stderr, what="Judged", total=len(paid)) as show:
                done = intake.import_paid(
                    paid=paid, who=WHO, why=options["reason"], now=now, dry_run=not options["yes"], at=show.at
                )
        except intake.NotImported as refused:
            self._refuse(refused.problems)
            raise
        verb = "are imported" if options["yes"] else "would be imported"
        line = f"{done.made} paid subscriptions {verb}, {done.known} are known already."
        self.answer(
            options, document={"made": done.made, "known": done.known, "acted": options["yes"]},
            lines=[line] + [DRY] * (not options["yes"]),
        )  # fmt: skip

    def _refuse(self, problems: Sequence[Problem]) -> None:
        if not problems:
            return
        named = [f"line {problem.line}: {problem.text}" for problem in problems[:NAMED]]
        more = [f"and {len(problems) - NAMED} more"] * (len(problems) > NAMED)
        raise CommandError("\n".join(["nothing was imported:", *named, *more]))
