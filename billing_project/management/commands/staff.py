"""`manage.py staff`: who works in the admin: add, list, take a lost phone's second factor away, unlock."""

import getpass
import secrets
from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from billing_project.access import groups, lock_out, two_factor

# 128 bits; nobody types it more than once.
GENERATED_BYTES = 16


class Command(BaseCommand):
    """A superuser is made by Django's own `createsuperuser`."""

    help = (
        "The staff of the admin. add NAME --group Support makes a user, whose password is printed once; list shows "
        "who there is; reset-two-factor NAME is for who has lost phone and recovery codes; unlock NAME ends a lock-out."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """One action, and whom it is about."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="add|list|reset-two-factor|unlock")
        adding = actions.add_parser("add", help="make a user; the password is generated and shown once")
        adding.add_argument("name")
        adding.add_argument("--group", action="append", choices=[*groups.MATRIX], required=True, help="can be repeated")
        adding.add_argument("--ask", action="store_true", help="ask for the password instead")
        actions.add_parser("list", help="who there is, in which groups, and whether with a second factor")
        for name, text in (
            ("reset-two-factor", "take the second factor away, so that a new one can be set up"),
            ("unlock", "forget failed logins"),
        ):
            actions.add_parser(name, help=text).add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        """What was done, in a line."""
        match options["action"]:
            case "add":
                self._add(options["name"], options["group"], ask=options["ask"])
            case "list":
                self._list()
            case "reset-two-factor":
                removed = two_factor.turn_off(user=_find(options["name"]), who="staff: command line")
                self.stdout.write("The second factor is gone." if removed else "There was no second factor.")
            case "unlock":
                locked = lock_out.forget(username=options["name"])
                self.stdout.write("Failed logins are forgotten." if locked else "There were no failed logins.")

    def _add(self, name: str, group_names: list[str], *, ask: bool) -> None:
        if User.objects.filter(username=name).exists():
            raise CommandError(f"there is a user {name} already")
        password = getpass.getpass() if ask else secrets.token_urlsafe(GENERATED_BYTES)
        user = User(username=name, is_staff=True)
        try:
            user.clean_fields(exclude=["password"])
            validate_password(password, user)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        found = list(Group.objects.filter(name__in=group_names))
        if len(found) < len(set(group_names)):
            raise CommandError("a group is missing: run manage.py staff_groups first")
        user.set_password(password)
        with transaction.atomic():
            user.save()
            user.groups.set(found)
        self.stdout.write(f"{name} is in {', '.join(sorted(group.name for group in found))}.")
        if not ask:
            self.stdout.write(f"Password, shown this once: {password}")

    def _list(self) -> None:
        for user in User.objects.filter(is_staff=True).order_by("username").prefetch_related("groups"):
            names = ["superuser"] * user.is_superuser + sorted(group.name for group in user.groups.all())
            factor = "two-factor" if two_factor.is_set_up(user) else "password only"
            state = "" if user.is_active else "  not active"
            self.stdout.write(f"{user.get_username()}  {', '.join(names) or 'in no group'}  {factor}{state}")


def _find(name: str) -> User:
    try:
        return User.objects.get(username=name)
    except User.DoesNotExist:
        raise CommandError(f"there is no user {name}") from None
