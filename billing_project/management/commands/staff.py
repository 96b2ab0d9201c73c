"""`manage.py staff`: who works in the admin: add, list, take a lost phone's second factor away, unlock."""

import getpass
import secrets
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from billing_project.access import groups, lock_out, two_factor
from payments import staff_log
from payments.management.terminal import WHO, AnsweringCommand, add_dry_run, add_json

# 128 bits; nobody types it more than once.
GENERATED_BYTES = 16
UNCHANGED = "Nothing was changed."


class Command(AnsweringCommand):
    """Each change stands in the staff log. A superuser is made by Django's own `createsuperuser`."""

    help = (
        "The staff of the admin. add NAME --group Support makes a user, whose password is printed once; list shows "
        "who there is; reset-two-factor NAME is for who has lost phone and recovery codes; unlock NAME ends a lock-out."
    )
    examples = """
manage.py staff add aida --group Support
manage.py staff add aida --group Support --group Finance --ask
manage.py staff list --json | jq '.staff[] | select(.two_factor | not)'
manage.py staff reset-two-factor aida
manage.py staff unlock aida
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """One action, and whom it is about. They act at once: one person is named, and nothing is lost."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="add|list|reset-two-factor|unlock")
        adding = actions.add_parser("add", help="make a user; the password is generated and shown once")
        adding.add_argument("name")
        adding.add_argument("--group", action="append", choices=[*groups.MATRIX], required=True, help="can be repeated")
        adding.add_argument("--ask", action="store_true", help="ask for the password instead")
        listing = actions.add_parser("list", help="who there is, in which groups, and whether with a second factor")
        resetting = actions.add_parser(
            "reset-two-factor", help="take the second factor away, so that a new one can be set up"
        )
        unlocking = actions.add_parser("unlock", help="forget failed logins")
        for acting in (resetting, unlocking):
            acting.add_argument("name")
        for acting in (adding, resetting, unlocking):
            add_dry_run(acting)
        for any_action in (adding, listing, resetting, unlocking):
            add_json(any_action)

    def handle(self, *args: Any, **options: Any) -> None:
        """What was done, in a line."""
        match options["action"]:
            case "add":
                self._add(options)
            case "list":
                self._list(options)
            case "reset-two-factor":
                self._reset(options)
            case "unlock":
                self._unlock(options)

    def _add(self, options: dict[str, Any]) -> None:
        name, acts = options["name"], not options["dry_run"]
        if User.objects.filter(username=name).exists():
            raise CommandError(f"there is a user {name} already")
        found = list(Group.objects.filter(name__in=options["group"]))
        if len(found) < len(set(options["group"])):
            raise CommandError("a group is missing: run manage.py staff_groups first")
        password = getpass.getpass() if options["ask"] and acts else secrets.token_urlsafe(GENERATED_BYTES)
        user = _checked(User(username=name, is_staff=True), password=password)
        names = sorted(group.name for group in found)
        document: dict[str, Any] = {"user": name, "groups": names, "acted": acts}
        if not acts:
            self.answer(options, document=document, lines=[f"{name} would be in {', '.join(names)}.", UNCHANGED])
            return
        with transaction.atomic():
            user.save()
            user.groups.set(found)
            details = {"action": "user added", "user": name, "groups": names}
            staff_log.note(who=WHO, what="acted", details=details, now=datetime.now(UTC))
        lines = [f"{name} is in {', '.join(names)}."]
        if not options["ask"]:
            document["password"] = password
            lines.append(f"Password, shown this once: {password}")
        self.answer(options, document=document, lines=lines)

    def _list(self, options: dict[str, Any]) -> None:
        users = User.objects.filter(is_staff=True).order_by("username").prefetch_related("groups")
        people = [
            {
                "user": user.get_username(), "superuser": user.is_superuser, "active": user.is_active,
                "groups": sorted(group.name for group in user.groups.all()), "two_factor": two_factor.is_set_up(user),
            }
            for user in users
        ]  # fmt: skip
        self.answer(options, document={"staff": people}, lines=map(_as_line, people))

    def _reset(self, options: dict[str, Any]) -> None:
        user = _find(options["name"])
        if options["dry_run"]:
            there, line = two_factor.is_set_up(user), f"The second factor would be gone. {UNCHANGED}"
        else:
            there, line = two_factor.turn_off(user=user, who=WHO), "The second factor is gone."
        self._say(options, there=there, line=line if there else "There was no second factor.")

    def _unlock(self, options: dict[str, Any]) -> None:
        name = options["name"]
        if options["dry_run"]:
            there, line = lock_out.has_failed(username=name), f"Failed logins would be forgotten. {UNCHANGED}"
        else:
            there, line = lock_out.forget(username=name, who=WHO), "Failed logins are forgotten."
        self._say(options, there=there, line=line if there else "There were no failed logins.")

    def _say(self, options: dict[str, Any], *, there: bool, line: str) -> None:
        document = {"user": options["name"], "was_there": there, "acted": there and not options["dry_run"]}
        self.answer(options, document=document, lines=[line])


def _checked(user: User, *, password: str) -> User:
    """With the password, but not saved. Raises `CommandError` where name or password won't do."""
    try:
        user.clean_fields(exclude=["password"])
        validate_password(password, user)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from None
    user.set_password(password)
    return user


def _as_line(one: dict[str, Any]) -> str:
    names = ["superuser"] * one["superuser"] + one["groups"]
    factor = "two-factor" if one["two_factor"] else "password only"
    return f"{one['user']}  {', '.join(names) or 'in no group'}  {factor}{'' if one['active'] else '  not active'}"


def _find(name: str) -> User:
    try:
        return User.objects.get(username=name)
    except User.DoesNotExist:
        raise CommandError(f"there is no user {name}") from None
