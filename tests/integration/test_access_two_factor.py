"""The second factor: set up, asked for, required, lost."""

from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django_otp.plugins.otp_totp.models import TOTPDevice

from payments.models import StaffEntry
from tests.integration.staff_users import (
    PASSWORD,
    code_of,
    forget_codes,
    log_in,
    member,
    phone_code,
    with_second_factor,
)

pytestmark = pytest.mark.django_db
LIST, SETUP, CODE = "/admin/payments/payment/", "/admin/two-factor/", "/admin/login/code/"


@pytest.fixture
def aida() -> User:
    """Of the support."""
    return member("Support")


def is_in(client: Client) -> bool:
    """Whether the payments can be seen."""
    return client.get(LIST).status_code == 200


def give(client: Client, code: str, **more: str) -> Any:
    """At the page that asks for it."""
    return client.post(CODE, {"code": code, **more})


def test_a_second_factor_is_set_up_by_a_picture_and_a_code(client: Client, aida: User) -> None:
    """Recovery codes are shown once, and the next login takes a code."""
    log_in(client)
    page = client.get(SETUP).content.decode()
    device = TOTPDevice.objects.get(user_id=aida.pk)
    assert "<svg" in page
    assert not device.confirmed
    assert "<svg" in client.get(SETUP).content.decode()
    assert TOTPDevice.objects.get() == device, "a reload shows the same picture"
    shown = client.post(SETUP, {"code": code_of(device)})
    assert len(shown.context["codes"]) == 10
    assert all(code in shown.content.decode() for code in shown.context["codes"])
    assert is_in(client)
    assert not any(code in client.get(SETUP).content.decode() for code in shown.context["codes"])


def test_a_wrong_code_sets_nothing_up(client: Client, aida: User) -> None:
    """Whose app shows something else would be locked out by it."""
    log_in(client)
    client.get(SETUP)
    answer = client.post(SETUP, {"code": "000000"})
    assert "This code is not right" in answer.content.decode()
    assert not TOTPDevice.objects.get().confirmed


def test_who_has_a_second_factor_is_asked_for_the_code(client: Client, aida: User) -> None:
    """After the password there is no session yet; after the code there is one, and one goes where one wanted to."""
    with_second_factor(aida)
    answer = client.post(
        f"/admin/login/?next={LIST}", {"username": "aida", "password": PASSWORD, "next": LIST}, follow=True
    )
    assert answer.redirect_chain[-1][0].startswith(CODE)
    assert "_auth_user_id" not in client.session
    assert not is_in(client)
    entered = give(client, phone_code(aida), next=LIST)
    assert entered["Location"] == LIST
    assert is_in(client)
    assert StaffEntry.objects.get(what="logged_in").details["two_factor"] is True


def test_next_never_leads_to_a_stranger(client: Client, aida: User) -> None:
    """A link to our login must not end at somebody else's copy of it."""
    with_second_factor(aida)
    log_in(client)
    assert give(client, phone_code(aida), next="https://evil.example/admin/")["Location"] == "/admin/"


def test_a_session_begins_under_a_new_key(client: Client, aida: User) -> None:
    """Whoever has planted the old key has nothing."""
    with_second_factor(aida)
    log_in(client)
    before = client.session.session_key
    give(client, phone_code(aida))
    assert client.session.session_key != before


def test_a_code_works_once(client: Client, aida: User) -> None:
    """Whoever has looked over the shoulder comes too late."""
    with_second_factor(aida)
    log_in(client)
    code = phone_code(aida)
    give(client, code)
    other = Client()
    log_in(other)
    assert "was used already" in give(other, code).content.decode()
    assert not is_in(other)


def test_a_recovery_code_works_once(client: Client, aida: User) -> None:
    """In place of the phone; blanks and capitals don't matter."""
    codes = with_second_factor(aida)
    log_in(client)
    give(client, f" {codes[0][:4]} {codes[0][4:].upper()} ")
    assert is_in(client)
    other = Client()
    log_in(other)
    give(other, codes[0])
    assert not is_in(other)
    assert "9 recovery codes are left" in client.get(SETUP).content.decode()


def test_new_recovery_codes_replace_the_old_ones(client: Client, aida: User) -> None:
    """For a code that is right now."""
    old = with_second_factor(aida)
    log_in(client)
    give(client, old[0])
    new = client.post(SETUP, {"code": old[1], "action": "codes"}).context["codes"]
    assert not set(new) & set(old)
    other = Client()
    log_in(other)
    give(other, old[2])
    assert not is_in(other)


def test_a_second_factor_is_turned_off_with_a_code_only(client: Client, aida: User) -> None:
    """Whoever finds an open session can't."""
    with_second_factor(aida)
    log_in(client)
    give(client, phone_code(aida))
    client.post(SETUP, {"code": "000000", "action": "off"})
    assert TOTPDevice.objects.get().confirmed
    forget_codes(aida)
    client.post(SETUP, {"code": phone_code(aida), "action": "off"})
    assert not TOTPDevice.objects.filter(confirmed=True).exists()
    assert is_in(client)


def test_a_session_from_before_is_asked_for_the_code_too(client: Client, aida: User) -> None:
    """Somebody else's, with the password that was reason enough to set it up."""
    log_in(client)
    assert is_in(client)
    with_second_factor(aida)
    assert not is_in(client)
    assert client.get(SETUP)["Location"] == CODE
    assert client.get("/admin/login/")["Location"] == CODE
    give(client, phone_code(aida))
    assert is_in(client)


def test_the_code_page_is_of_no_use_without_the_password(client: Client, aida: User) -> None:
    """A right code alone is half of it."""
    with_second_factor(aida)
    assert client.get(CODE)["Location"] == "/admin/login/"
    assert give(client, phone_code(aida))["Location"] == "/admin/login/"
    assert not is_in(client)


def test_a_password_that_is_changed_meanwhile_proves_nothing(client: Client, aida: User) -> None:
    """The same for five minutes that have gone by."""
    with_second_factor(aida)
    log_in(client)
    session = client.session
    session["waiting_for_code"] = {**session["waiting_for_code"], "at": session["waiting_for_code"]["at"] - 301}
    session.save()
    assert give(client, phone_code(aida))["Location"] == "/admin/login/"
    log_in(client)
    aida.set_password("another long enough password")
    aida.save()
    assert give(client, phone_code(aida))["Location"] == "/admin/login/"
    assert not is_in(client)


def test_where_it_is_required_nothing_else_is_seen_before(client: Client, aida: User, settings: Any) -> None:
    """Whoever has none is led to the page that sets one up, and can leave."""
    settings.REQUIRE_TWO_FACTOR = True
    answer = client.post("/admin/login/", {"username": "aida", "password": PASSWORD}, follow=True)
    assert answer.redirect_chain[-1][0].startswith(SETUP)
    for page in ("/admin/", LIST, "/admin/password_change/", "/admin/search/?s=pay", "/admin/payments/refund/"):
        answer = client.get(page)
        assert answer.status_code == 302, page
        assert answer["Location"].startswith("/admin/login/")
    assert LIST not in client.get(SETUP).content.decode()
    client.post(SETUP, {"code": code_of(TOTPDevice.objects.get())})
    assert is_in(client)


def test_who_can_see_nothing_yet_can_log_out(client: Client, aida: User, settings: Any) -> None:
    """On a borrowed machine, without the phone."""
    settings.REQUIRE_TWO_FACTOR = True
    log_in(client)
    client.post("/admin/logout/")
    assert "_auth_user_id" not in client.session


def test_whoever_turns_it_on_or_off_stands_in_the_staff_log(client: Client, aida: User) -> None:
    """Those who lead see when an account became easier to take."""
    log_in(client)
    client.get(SETUP)
    device = TOTPDevice.objects.get(user_id=aida.pk)
    client.post(SETUP, {"code": code_of(device)})
    forget_codes(aida)
    client.post(SETUP, {"code": phone_code(aida), "action": "codes"})
    forget_codes(aida)
    client.post(SETUP, {"code": phone_code(aida), "action": "off"})
    with_second_factor(aida)
    call_command("staff", "reset-two-factor", "aida", stdout=StringIO())
    noted = StaffEntry.objects.filter(what="acted").order_by("id").values_list("who", "details__action")
    assert list(noted) == [
        ("staff: aida", "two-factor login turned on"),
        ("staff: aida", "recovery codes made"),
        ("staff: aida", "recovery codes made"),
        ("staff: aida", "two-factor login turned off"),
        ("staff: aida", "two-factor login turned on"),
        ("staff: aida", "recovery codes made"),
        ("staff: command line", "two-factor login turned off"),
    ]
    assert set(StaffEntry.objects.filter(what="acted").values_list("details__user", flat=True)) == {"aida"}


def test_a_lost_phone_is_taken_away_by_a_command(client: Client, aida: User) -> None:
    """By whoever runs the service, who has made sure of whom they talk to."""
    with_second_factor(aida)
    call_command("staff", "reset-two-factor", "aida", "--dry-run", stdout=StringIO())
    log_in(client)
    assert not is_in(client)
    call_command("staff", "reset-two-factor", "aida", stdout=StringIO())
    log_in(client)
    assert is_in(client)


def test_whoever_is_not_of_the_staff_gets_to_no_page_of_it(client: Client) -> None:
    """A user who is none of the staff any more has a session still."""
    client.force_login(User.objects.create_user("visitor"))
    for page in (SETUP, CODE, LIST):
        assert client.get(page)["Location"].startswith("/admin/login/"), page
