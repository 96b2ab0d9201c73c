"""Lock-out: who fails too often has to wait, and nobody else."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client, RequestFactory
from django.utils import timezone

from billing_project.access import lock_out
from payments.models import StaffEntry
from tests.integration.staff_users import log_in, member, phone_code, with_second_factor

pytestmark = pytest.mark.django_db
CODE = "/admin/login/code/"


@pytest.fixture
def aida() -> User:
    """Of the support."""
    return member("Support")


def fail(client: Client, times: int, name: str = "aida", **extra: Any) -> int:
    """Log in with a wrong password; the last answer's status."""
    return [log_in(client, name, "not the password", **extra).status_code for _ in range(times)][-1]


def later(**span: float) -> None:
    """As if so much time had gone by."""
    for attempt in AccessAttempt.objects.all():
        AccessAttempt.objects.filter(pk=attempt.pk).update(attempt_time=attempt.attempt_time - timedelta(**span))


def test_the_fifth_failure_locks_and_the_page_says_until_when(client: Client, aida: User) -> None:
    """A clear page, whatever the password is now."""
    assert fail(client, 4) == 200
    assert fail(client, 1) == 429
    answer = log_in(client)
    assert answer.status_code == 429
    until = timezone.now() + timedelta(minutes=15)
    page = answer.content.decode()
    assert "15 minutes" in page or "14 minutes" in page
    assert any(f"{until - timedelta(minutes=back):%H:%M} UTC" in page for back in (0, 1, 2))
    assert 0 < int(answer["Retry-After"]) <= 900
    assert "_auth_user_id" not in client.session


def test_four_failures_are_forgotten_by_a_login(client: Client, aida: User) -> None:
    """People mistype."""
    fail(client, 4)
    assert log_in(client).status_code == 302
    assert fail(Client(), 4) == 200


def test_a_lock_ends_by_itself(client: Client, aida: User) -> None:
    """After fifteen minutes; trying meanwhile doesn't make it longer."""
    fail(client, 5)
    later(minutes=14)
    assert log_in(client).status_code == 429
    later(minutes=2)
    assert log_in(client).status_code == 302


def test_neither_another_address_nor_another_name_is_locked(client: Client, aida: User) -> None:
    """Nobody can lock somebody else out from afar; one who mistypes doesn't stop the office."""
    member("Finance", "dana")
    fail(client, 5)
    assert log_in(client, "dana").status_code == 302
    assert log_in(Client(), REMOTE_ADDR="10.0.0.9").status_code == 302


def test_the_way_a_name_is_written_makes_no_new_name(client: Client, aida: User) -> None:
    """Else each spelling would have five tries."""
    for name in ("aida", "AIDA", " aida", "Aida "):
        fail(client, 1, name)
    assert fail(client, 1, "aidA") == 429


def test_limits_are_settings(client: Client, aida: User, settings: Any) -> None:
    """Both how many and how long."""
    settings.AXES_FAILURE_LIMIT = 2
    settings.AXES_COOLOFF_TIME = timedelta(hours=1)
    assert fail(client, 2) == 429
    later(minutes=59)
    assert log_in(client).status_code == 429
    later(minutes=2)
    assert log_in(client).status_code == 302


def test_wrong_codes_lock_as_wrong_passwords_do(client: Client, aida: User) -> None:
    """Who knows the password must not have a million tries at six digits; the right code comes too late then."""
    with_second_factor(aida)
    log_in(client)
    answers = [client.post(CODE, {"code": "000000"}).status_code for _ in range(5)]
    assert answers == [200, 200, 200, 200, 429]
    assert client.post(CODE, {"code": phone_code(aida)}).status_code == 429
    assert log_in(client).status_code == 429


def test_wrong_codes_are_not_forgotten_by_a_right_password(client: Client, aida: User) -> None:
    """Half of a login is none."""
    with_second_factor(aida)
    for _ in range(4):
        log_in(client)
        client.post(CODE, {"code": "000000"})
    log_in(client)
    assert client.post(CODE, {"code": "000000"}).status_code == 429


def test_a_lock_is_one_entry_in_the_staff_log(client: Client, aida: User) -> None:
    """However often somebody tries on."""
    fail(client, 9)
    entry = StaffEntry.objects.get()
    assert (entry.who, entry.what, entry.details["address"]) == ("staff: aida", "locked_out", "127.0.0.1")


def test_what_a_stranger_types_is_neither_kept_nor_logged(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """It may be somebody's password, in the wrong field."""
    typed = "correct horse battery"
    with caplog.at_level("DEBUG"):
        fail(client, 6, typed)
    assert caplog.records
    assert not [record for record in caplog.records if typed in f"{record.msg} {record.args}"]
    assert StaffEntry.objects.get().who == "staff: unknown"
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(a)::text FROM axes_accessattempt a")
        kept = str(cursor.fetchall())
    assert typed not in kept
    assert "not the password" not in kept


def test_a_command_unlocks(client: Client, aida: User) -> None:
    """At once, and in sight of those who lead; a dry run only says so."""
    fail(client, 5)
    call_command("staff", "unlock", "aida", "--dry-run", stdout=StringIO())
    assert log_in(client).status_code == 429
    out = StringIO()
    call_command("staff", "unlock", "aida", "--json", stdout=out)
    assert json.loads(out.getvalue()) == {"user": "aida", "was_there": True, "acted": True}
    assert log_in(client).status_code == 302
    entry = StaffEntry.objects.get(what="acted")
    assert (entry.who, entry.details) == (
        "staff: command line", {"action": "failed logins forgotten", "user": "aida"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("proxies", "forwarded", "found"),
    [
        (0, "203.0.113.7", "10.0.0.1"),
        (1, "203.0.113.7", "203.0.113.7"),
        (1, "198.51.100.9, 203.0.113.7", "203.0.113.7"),
        (2, "198.51.100.9, 203.0.113.7, 192.0.2.1", "203.0.113.7"),
        (2, "203.0.113.7", "10.0.0.1"),
        (1, "", "10.0.0.1"),
        (1, "nonsense", None),
        (1, "2001:db8::1", "2001:db8::1"),
    ],
)
def test_the_address_is_the_one_that_our_own_proxies_saw(
    settings: Any, proxies: int, forwarded: str, found: str | None
) -> None:
    """What a client writes itself into the header doesn't count."""
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", headers={"x-forwarded-for": forwarded})
    assert lock_out.address_of(request) == found


def test_behind_a_proxy_clients_are_told_apart(client: Client, aida: User, settings: Any) -> None:
    """All of them come from the proxy's address."""
    settings.TRUSTED_PROXIES = 1
    assert fail(client, 5, headers={"x-forwarded-for": "203.0.113.7"}) == 429
    assert log_in(client, headers={"x-forwarded-for": "203.0.113.8"}).status_code == 302


def test_tests_and_commands_log_in_without_a_form(client: Client, aida: User) -> None:
    """There is no address to count by."""
    assert client.login(username="aida", password="a long enough password")
    assert not Client().login(username="aida", password="another")
    assert not AccessAttempt.objects.exists()
