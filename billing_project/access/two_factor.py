"""The second factor: an app on the phone that shows a code every 30 seconds (TOTP), and recovery codes on paper."""

import base64
import re

import segno
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import transaction
from django.utils import timezone
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from payments import staff_log

# Each works once; who is down to a few makes new ones.
RECOVERY_CODES = 10
RECOVERY_NAME, PHONE_NAME = "recovery codes", "phone"

Anybody = AbstractBaseUser | AnonymousUser


def is_set_up(user: Anybody) -> bool:
    """Whether logging in takes a code."""
    return bool(user.pk) and TOTPDevice.objects.filter(user_id=user.pk, confirmed=True).exists()


def is_verified(user: Anybody) -> bool:
    """Whether this session has given a code."""
    return getattr(user, "otp_device", None) is not None


def may_enter(user: Anybody, *, required: bool) -> bool:
    """Whether the second factor, if there is one or must be one, was shown. Asked several times by each page."""
    if is_verified(user):
        return True
    if required:
        return False
    known: bool | None = getattr(user, "two_factor_is_set_up", None)
    if known is None:
        known = is_set_up(user)
        user.two_factor_is_set_up = known  # type: ignore[union-attr]
    return not known


def start(user: Anybody) -> TOTPDevice:
    """The device that waits to be confirmed: the same one until it is, so that a reload doesn't change the picture."""
    with transaction.atomic():
        waiting = TOTPDevice.objects.filter(user_id=user.pk, confirmed=False).order_by("id").first()
        return waiting or TOTPDevice.objects.create(user_id=user.pk, name=PHONE_NAME, confirmed=False)


def confirm(*, user: Anybody, code: str) -> tuple[TOTPDevice, list[str]] | None:
    """Turn it on, if the code is the one that the phone shows: the device, and the recovery codes, to be shown once."""
    digits = _plain(code)
    with transaction.atomic():
        device = TOTPDevice.objects.select_for_update().filter(user_id=user.pk, confirmed=False).order_by("id").first()
        if device is None or is_set_up(user) or not device.verify_token(digits):
            return None
        device.confirmed = True
        device.save(update_fields=["confirmed"])
        TOTPDevice.objects.filter(user_id=user.pk, confirmed=False).delete()
        _note(user, "two-factor login turned on")
        return device, make_recovery_codes(user=user)


def make_recovery_codes(*, user: Anybody) -> list[str]:
    """New ones; those from before stop working."""
    with transaction.atomic():
        StaticDevice.objects.filter(user_id=user.pk).delete()
        device = StaticDevice.objects.create(user_id=user.pk, name=RECOVERY_NAME)
        codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
        StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in codes)
        _note(user, "recovery codes made")
    return codes


def recovery_codes_left(user: Anybody) -> int:
    """How many are not used up."""
    count: int = StaticToken.objects.filter(device__user_id=user.pk).count()
    return count


def verify(*, user: Anybody, code: str) -> Device | None:
    """The device whose code this is: six digits of the phone, or a recovery code, which is used up by it.

    A device that was shown wrong codes takes none for a while, which doubles with each: nobody can try them all.
    """
    plain = _plain(code)
    model: type[Device] = TOTPDevice if re.fullmatch(r"[0-9]{6}", plain) else StaticDevice
    with transaction.atomic():
        device = model.objects.select_for_update().filter(user_id=user.pk, confirmed=True).order_by("id").first()
        if device is None or not device.verify_token(plain):
            return None
    return device


def turn_off(*, user: Anybody, who: str = "") -> bool:
    """Take the second factor away; False if there was none. Sessions that showed a code are as if they hadn't.

    `who` does it, if it isn't the user.
    """
    with transaction.atomic():
        StaticDevice.objects.filter(user_id=user.pk).delete()
        removed, _ = TOTPDevice.objects.filter(user_id=user.pk).delete()
        if removed:
            _note(user, "two-factor login turned off", who=who)
    return bool(removed)


def picture(device: TOTPDevice) -> str:
    """The QR code that the phone takes a picture of, as SVG: black on white, as phones want it."""
    code = segno.make(device.config_url, error="m", micro=False)
    svg: str = code.svg_inline(scale=5, border=3, dark="#000", light="#fff", omitsize=True)
    return svg


def secret(device: TOTPDevice) -> str:
    """The same for typing, in groups of four."""
    text = base64.b32encode(device.bin_key).decode().rstrip("=")
    return " ".join(re.findall(".{1,4}", text))


def _note(user: Anybody, what: str, *, who: str = "") -> None:
    """In the staff log: what makes an account easier or harder to take is done in sight of those who lead."""
    name = user.get_username()
    details = {"action": what, "user": name}
    staff_log.note(who=who or f"staff: {name}", what="acted", details=details, now=timezone.now())


def _plain(code: str) -> str:
    """Phones show spaces between the digits; people write dashes between the letters."""
    return re.sub(r"[\s-]", "", code).lower()
