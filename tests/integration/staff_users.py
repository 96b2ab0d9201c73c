"""Staff for tests: in a group, with a second factor or without, and at the login form."""

from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.http import HttpResponse
from django.test import Client
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from billing_project.access import groups, two_factor

PASSWORD = "a long enough password"


def member(group: str, name: str = "aida") -> User:
    """One of the staff, in one of the product's groups."""
    groups.put_right()
    user = User.objects.create_user(name, password=PASSWORD, is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    return user


def looker(name: str = "timur") -> User:
    """One of the staff who may look at everything, but not at personal data."""
    user = User.objects.create_user(name, password=PASSWORD, is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="payments", codename__startswith="view")
    )
    return user


def log_in(client: Client, name: str = "aida", password: str = PASSWORD, **extra: Any) -> HttpResponse:
    """At the form, as a person does. `extra`: REMOTE_ADDR, headers."""
    answer = client.post("/admin/login/", {"username": name, "password": password}, **extra)
    assert isinstance(answer, HttpResponse)
    return answer


def with_second_factor(user: User) -> list[str]:
    """Set one up, and give back the recovery codes."""
    device = two_factor.start(user)
    found = two_factor.confirm(user=user, code=code_of(device))
    assert found is not None
    forget_codes(user)
    return found[1]


def code_of(device: TOTPDevice) -> str:
    """What the phone shows now."""
    return f"{TOTP(device.bin_key, device.step, device.t0, device.digits).token():06d}"


def phone_code(user: User) -> str:
    """The same, by whose phone it is."""
    return code_of(TOTPDevice.objects.get(user_id=user.pk))


def forget_codes(user: User) -> None:
    """As if half a minute had gone by: the code that was used isn't the present one, and no pause is left."""
    TOTPDevice.objects.filter(user_id=user.pk).update(last_t=-1, throttling_failure_count=0)
