"""`manage.py doctor`: one line per thing, OK, WARN or FAIL with the fix."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from billing_project.doctor import examine, worst
from payments.finding import LEVELS
from payments.management.terminal import DONE, NOTHING, PARTLY, AnsweringCommand, add_json

# Scripts tell them apart. Settings that are wrong end every command with 1, too.
EXIT_CODES = {"OK": DONE, "WARN": PARTLY, "FAIL": NOTHING}


class Command(AnsweringCommand):
    """Looks, and changes nothing; safe at any time, on any machine with the same settings."""

    help = (
        "Look at everything that the service depends on: settings, disk, Kafka, Redis, Stripe, the database, the "
        "processes, and what flows. One line per thing: OK, WARN or FAIL, with the fix. Changes nothing. "
        "Exit code 0: all OK; 3: some WARN; 1: some FAIL."
    )
    examples = """
manage.py doctor
manage.py doctor --json | jq '.findings[] | select(.level != "OK")'
"""
    # It says by itself what is wrong with the database.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """For people or for scripts."""
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """The findings, and their sum."""
        findings = examine()
        level = worst(findings)
        count = Counter(one.level for one in findings)
        total = ", ".join(f"{count[one]} {one}" for one in LEVELS if count[one])
        self.answer(
            options, document={"worst": level, "findings": [asdict(one) for one in findings]},
            lines=[*(one.line for one in findings), f"{total}."], code=EXIT_CODES[level],
        )  # fmt: skip
