"""`manage.py doctor`: one line per thing, OK, WARN or FAIL with the fix."""

import json
from collections import Counter
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from billing_project.doctor import examine, worst
from payments.finding import LEVELS

# Scripts tell them apart. 2 is a wrong command line; settings that are wrong end every command with 1, too.
EXIT_CODES = {"OK": 0, "WARN": 3, "FAIL": 1}


class Command(BaseCommand):
    """Looks, and changes nothing; safe at any time, on any machine with the same settings."""

    help = (
        "Look at everything that the service depends on: settings, disk, Kafka, Redis, Stripe, the database, the "
        "processes, and what flows. One line per thing: OK, WARN or FAIL, with the fix. Changes nothing. "
        "Examples: doctor; doctor --json | jq '.findings[] | select(.level != \"OK\")'. "
        "Exit code 0: all OK; 3: some WARN; 1: some FAIL."
    )
    # It says by itself what is wrong with the database.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """For people or for scripts."""
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """The findings, and their sum."""
        findings = examine()
        level = worst(findings)
        if options["json"]:
            self.stdout.write(json.dumps({"worst": level, "findings": [asdict(one) for one in findings]}))
        else:
            for one in findings:
                self.stdout.write(one.line)
            count = Counter(one.level for one in findings)
            self.stdout.write(", ".join(f"{count[one]} {one}" for one in LEVELS if count[one]) + ".")
        if level != "OK":
            raise SystemExit(EXIT_CODES[level])
