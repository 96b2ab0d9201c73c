"""Who may open what: the groups of the staff, from the table to the pages."""

import json
from importlib import import_module
from io import StringIO
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.test import Client

from billing_project.access import groups
from payments.models import StaffEntry
from tests.integration.staff_users import PASSWORD, log_in, member, with_second_factor

pytestmark = pytest.mark.django_db
PAGES = ["payment", "inboxmessage", "outboxmessage", "webhook", "refund", "dispute", "break", "reconciliation"]
# Each migration that gave the groups something.
GIVEN_IN = {"0012_access": "make_groups", "0014_statement": "let_finance_look"}
EVERYBODY = [groups.SUPPORT, groups.FINANCE, groups.LEAD]


def in_database() -> dict[str, frozenset[str]]:
    """What each group may do, as the database has it."""
    return {
        group.name: frozenset(group.permissions.values_list("codename", flat=True)) for group in Group.objects.all()
    }


def as_wanted() -> dict[str, frozenset[str]]:
    """The table, looking included."""
    return {name: groups.wanted(name) for name in EVERYBODY}


def migrate_groups() -> None:
    """What the migrations do to the groups, one after another."""
    for name, function in GIVEN_IN.items():
        state = MigrationLoader(connection).project_state(("payments", name))
        give = getattr(import_module(f"payments.migrations.{name}"), function)
        give(state.apps, SimpleNamespace(connection=connection))


def run(*arguments: str) -> str:
    """A command's output."""
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_the_migrations_make_the_groups_as_the_table_has_them() -> None:
    """Also on a database where no permission is yet. A table that is added later needs a migration that lets the
    groups look at it."""
    Group.objects.all().delete()
    Permission.objects.filter(content_type__app_label="payments").delete()
    migrate_groups()
    assert in_database() == as_wanted()


def test_a_group_that_was_there_keeps_its_members_through_the_migration() -> None:
    """Somebody may have made a group Support before."""
    Group.objects.all().delete()
    Permission.objects.filter(content_type__app_label="payments").delete()
    User.objects.create_user("aida").groups.add(Group.objects.create(name="Support"))
    migrate_groups()
    assert in_database() == as_wanted()
    assert User.objects.get().groups.get().name == "Support"


def test_the_command_puts_the_groups_right_and_says_what_it_changed() -> None:
    """One that is gone, a right too few, a right too many."""
    groups.put_right()
    Group.objects.get(name="Finance").delete()
    support = Group.objects.get(name="Support")
    support.permissions.remove(Permission.objects.get(codename="retry_payment"))
    support.permissions.add(Permission.objects.get(codename="refund_payment"))
    said = run("staff_groups")
    assert "Support may now: retry_payment\n" in said
    assert "Support may no longer: refund_payment\n" in said
    assert "Finance made\n" in said
    assert "Lead" not in said
    assert in_database() == as_wanted()


def test_the_command_says_what_it_would_change() -> None:
    """And changes nothing; in one document for scripts."""
    groups.put_right()
    Group.objects.get(name="Finance").permissions.remove(Permission.objects.get(codename="settle_break"))
    before = in_database()
    told = json.loads(run("staff_groups", "--dry-run", "--json"))
    assert told == {"acted": False, "changes": [{"group": "Finance", "text": "may now: settle_break"}]}
    assert run("staff_groups", "--dry-run").splitlines() == ["Finance may now: settle_break", "Nothing was changed."]
    assert in_database() == before


def test_the_command_changes_nothing_where_nothing_is_wrong() -> None:
    """And leaves other groups, and who is in which, alone."""
    own = Group.objects.create(name="Auditors")
    member("Support").groups.add(own)
    assert run("staff_groups") == "The groups are as they should be.\n"
    assert sorted(group.name for group in User.objects.get().groups.all()) == ["Auditors", "Support"]


def test_the_command_names_what_a_database_that_was_not_migrated_lacks() -> None:
    """Rather than make groups that can do half of it."""
    Permission.objects.get(codename="settle_break").delete()
    with pytest.raises(CommandError, match=r"settle_break: run manage\.py migrate"):
        run("staff_groups")


def test_nobody_may_edit_anything() -> None:
    """Nobody edits money: no add, change or delete in the table."""
    for codenames in as_wanted().values():
        assert not {one for one in codenames if one.split("_")[0] in {"add", "change", "delete"}}


@pytest.mark.parametrize("group", EVERYBODY)
def test_every_group_may_look_at_all_lists(client: Client, group: str) -> None:
    """Whoever talks to the customer sees the whole story."""
    client.force_login(member(group))
    assert client.get("/admin/").status_code == 200
    for page in PAGES:
        assert client.get(f"/admin/payments/{page}/").status_code == 200, page


@pytest.mark.parametrize(("group", "status"), [(groups.SUPPORT, 403), (groups.FINANCE, 403), (groups.LEAD, 200)])
def test_the_staff_log_is_for_who_leads(client: Client, group: str, status: int) -> None:
    """By page, and by its place in the menu."""
    client.force_login(member(group))
    assert client.get("/admin/payments/staffentry/").status_code == status
    assert ("/admin/payments/staffentry/" in client.get("/admin/").content.decode()) == (status == 200)


@pytest.mark.parametrize("group", EVERYBODY)
@pytest.mark.parametrize("page", ["auth/user/", "auth/group/", "auth/user/add/"])
def test_no_group_may_keep_users(client: Client, group: str, page: str) -> None:
    """Who gives rights to others is a superuser, and nobody can take them."""
    user = member(group)
    client.force_login(user)
    assert client.get(f"/admin/{page}").status_code == 403
    before = User.objects.count()
    assert client.post(f"/admin/{page}", {"username": "mallory", "is_superuser": "on"}).status_code == 403
    assert client.post(f"/admin/auth/user/{user.pk}/change/", {"is_superuser": "on"}).status_code == 403
    assert User.objects.count() == before
    assert not User.objects.filter(is_superuser=True).exists()


def test_superusers_keep_users_and_see_no_second_factors(client: Client) -> None:
    """In unfold's look; a page of second factors would show the secrets of others."""
    client.force_login(User.objects.create_superuser("root"))
    assert client.get("/admin/auth/user/").status_code == 200
    assert client.get("/admin/auth/user/add/").status_code == 200
    for page in ("otp_totp/totpdevice/", "otp_static/staticdevice/", "axes/accessattempt/"):
        assert client.get(f"/admin/{page}").status_code == 404


def test_staff_add_makes_a_user_who_can_log_in(client: Client) -> None:
    """With a password that is shown once."""
    groups.put_right()
    said = run("staff", "add", "dana", "--group", "Support", "--group", "Finance")
    password = said.rpartition(" ")[2].strip()
    assert said.startswith("dana is in Finance, Support.\n")
    assert log_in(client, "dana", password).status_code == 302
    assert client.get("/admin/payments/payment/").status_code == 200


def test_staff_add_refuses_a_name_that_is_taken_or_impossible() -> None:
    """And makes nobody."""
    member("Support")
    with pytest.raises(CommandError, match="already"):
        run("staff", "add", "aida", "--group", "Support")
    with pytest.raises(CommandError, match="valid username"):
        run("staff", "add", "a b", "--group", "Support")
    assert User.objects.count() == 1


def test_staff_is_asked_first_answers_scripts_and_stands_in_the_staff_log() -> None:
    """A dry run makes nobody; who was made is in sight of those who lead, the password isn't."""
    groups.put_right()
    adding = ["staff", "add", "dana", "--group", "Lead"]
    assert run(*adding, "--dry-run") == "dana would be in Lead.\nNothing was changed.\n"
    assert not User.objects.exists()
    told = json.loads(run(*adding, "--json"))
    assert User.objects.get().check_password(told.pop("password"))
    assert told == {"user": "dana", "groups": ["Lead"], "acted": True}
    assert json.loads(run("staff", "list", "--json"))["staff"] == [
        {"user": "dana", "superuser": False, "active": True, "groups": ["Lead"], "two_factor": False}
    ]
    entry = StaffEntry.objects.get()
    assert (entry.who, entry.details) == (
        "staff: command line", {"action": "user added", "user": "dana", "groups": ["Lead"]},
    )  # fmt: skip


def test_staff_list_says_who_can_do_what_and_how_they_log_in() -> None:
    """One line each."""
    with_second_factor(member("Support"))
    User.objects.create_superuser("root", password=PASSWORD)
    User.objects.create_user("gone", is_staff=True, is_active=False)
    assert run("staff", "list").splitlines() == [
        "aida  Support  two-factor",
        "gone  in no group  password only  not active",
        "root  superuser  password only",
    ]
