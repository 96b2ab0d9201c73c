"""This machine, and how the service is set up on it."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from payments.doctor import judge_space
from payments.finding import Finding, ok, warn

IS_LIVE = "_live_"


def look_at_settings() -> Iterator[Finding]:
    """A wrong one has ended the process before; these are right, and not for production."""
    is_live = IS_LIVE in settings.STRIPE_SECRET_KEY
    found = []
    if settings.DEBUG:
        found.append(warn("settings", "DEBUG is true: errors show source code", "unset DEBUG"))
    if settings.STRIPE_API_BASE:
        says = "STRIPE_API_BASE is set: a stand-in is asked in Stripe's place"
        found.append(warn("settings", says, "unset it where real payments are made"))
    if is_live and not settings.SECURE_SSL_REDIRECT:
        says = "HTTPS_ONLY is false with a live key: passwords of staff pass in plain"
        found.append(warn("settings", says, "set HTTPS_ONLY=true, and end TLS in a proxy"))
    if is_live and not settings.REQUIRE_TWO_FACTOR:
        says = "REQUIRE_TWO_FACTOR is false with a live key: a password alone gives money back"
        found.append(warn("settings", says, "set REQUIRE_TWO_FACTOR=true"))
    yield from found or [ok("settings", "all are there and right")]


def look_at_machine() -> Iterator[Finding]:
    """What is free where this process may write: the checkout's `.data` for a demo, and the folder for what passes."""
    data = Path.cwd() / ".data"
    for folder in [*([data] if data.is_dir() else []), Path(tempfile.gettempdir())]:
        yield judge_space("disk", str(folder), shutil.disk_usage(folder).free)
