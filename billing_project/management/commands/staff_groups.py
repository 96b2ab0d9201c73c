"""`manage.py staff_groups`: the groups of the staff as the table in billing_project/access/groups.py has them."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from billing_project.access import groups
from payments.management.terminal import AnsweringCommand, add_dry_run, add_json


class Command(AnsweringCommand):
    """Can be run at any time, and again; who is in a group is left alone."""

    help = (
        "Put the groups Support, Finance and Lead right: each may do exactly what the product says, and what was "
        "changed is printed. Who is in them is left alone. For other rights make a group of your own."
    )
    examples = """
manage.py staff_groups
manage.py staff_groups --dry-run
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """Whether to act. Nobody is asked for a reason: the table is it."""
        add_dry_run(parser)
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """One line for each change."""
        acts = not options["dry_run"]
        try:
            changes = groups.put_right(acts=acts)
        except groups.PermissionsMissing as missing:
            raise CommandError(f"the database doesn't know {missing}: run manage.py migrate first") from None
        lines = [f"{change.group} {change.text}" for change in changes]
        if changes and not acts:
            lines.append("Nothing was changed.")
        self.answer(
            options, document={"acted": acts, "changes": [asdict(change) for change in changes]},
            lines=lines or ["The groups are as they should be."],
        )  # fmt: skip
