"""`manage.py staff_groups`: the groups of the staff as the table in billing_project/access/groups.py has them."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing_project.access import groups


class Command(BaseCommand):
    """Can be run at any time, and again; who is in a group is left alone."""

    help = (
        "Put the groups Support, Finance and Lead right: each may do exactly what the product says, and what was "
        "changed is printed. Who is in them is left alone. For other rights make a group of your own."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """One line for each change."""
        try:
            changes = groups.put_right()
        except groups.PermissionsMissing as missing:
            raise CommandError(f"the database doesn't know {missing}: run manage.py migrate first") from None
        for change in changes:
            self.stdout.write(f"{change.group} {change.text}")
        if not changes:
            self.stdout.write("The groups are as they should be.")
