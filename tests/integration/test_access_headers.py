"""Security headers, cookies and TLS: on every kind of answer."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from tests.integration.staff_users import log_in, member

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
STRICT = {
    "default-src 'self'", "object-src 'none'", "base-uri 'self'", "form-action 'self'", "frame-ancestors 'none'",
    "style-src 'self'", "img-src 'self' data:",
}  # fmt: skip
ANSWERS = {
    "/": 302, "/admin/": 302, "/admin/login/": 200, "/admin/colors.css": 200, "/livez": 200, "/readyz": 200,
    "/static/unfold/css/styles.css": 200, "/nowhere": 404, "/webhooks/stripe": 405,
}  # fmt: skip


def policy(answer: Any) -> set[str]:
    """The directives of an answer's security policy."""
    return {part.strip() for part in answer.headers["Content-Security-Policy"].split(";")}


def check(answer: Any) -> None:
    """What each answer has."""
    assert policy(answer) >= STRICT
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in answer.headers["Permissions-Policy"]


@pytest.mark.parametrize("path", ANSWERS)
def test_every_kind_of_answer_has_the_headers(client: Client, path: str) -> None:
    """Pages, redirects, files, probes, errors."""
    answer = client.get(path)
    assert answer.status_code == ANSWERS[path]
    check(answer)
    answer.close()


def test_answers_that_refuse_have_the_headers(client: Client, settings: Any) -> None:
    """A host that nobody allowed, a webhook that nobody signed, a form without its token, a lock."""
    settings.ALLOWED_HOSTS = ["testserver"]
    refused = client.get("/admin/", headers={"host": "evil.example"})
    assert refused.status_code == 400
    check(refused)
    settings.STRIPE_WEBHOOK_SECRETS = ("whsec_1",)
    unsigned = client.post("/webhooks/stripe", b"{}", content_type="application/json")
    assert unsigned.status_code == 400
    check(unsigned)
    forged = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "aida"})
    assert forged.status_code == 403
    check(forged)
    settings.AXES_FAILURE_LIMIT = 1
    locked = log_in(client, "aida", "wrong")
    assert locked.status_code == 429
    check(locked)


def test_a_crash_has_the_headers(settings: Any) -> None:
    """What is shown then is an answer, too."""
    settings.STRIPE_WEBHOOK_SECRETS = None
    settings.ROOT_URLCONF = "tests.integration.crashing"
    answer = Client(raise_request_exception=False).get("/")
    assert answer.status_code == 500
    check(answer)


def test_the_policy_is_relaxed_in_the_admin_only(client: Client) -> None:
    """By what unfold needs, and no further: no inline script, no style element, nothing from elsewhere."""
    assert "script-src 'self'" in policy(client.get("/livez"))
    assert not [one for one in policy(client.get("/webhooks/stripe")) if "unsafe" in one]
    client.force_login(User.objects.create_superuser("root"))
    relaxed = policy(client.get("/admin/payments/payment/"))
    assert {one for one in relaxed if "unsafe" in one} == {
        "script-src 'self' 'unsafe-eval'",
        "style-src-attr 'unsafe-inline'",
    }
    assert not [one for one in relaxed if "http" in one or "*" in one]


def test_pages_of_the_admin_have_no_inline_script_and_no_style_element(client: Client) -> None:
    """The policy would refuse them: unfold's colours come as a style sheet."""
    client.force_login(User.objects.create_superuser("root"))
    for path in ("/admin/", "/admin/payments/payment/", "/admin/two-factor/", "/admin/payments/staffentry/"):
        page = client.get(path).content.decode()
        assert "<style" not in page, path
        assert "<script>" not in page, path
        assert "/admin/colors.css" in page, path
    colors = client.get("/admin/colors.css")
    assert colors.headers["Content-Type"].startswith("text/css")
    assert "--color-primary-600: " in colors.content.decode()
    assert "None" not in colors.content.decode()


def test_a_session_ends_with_the_browser_and_after_twelve_hours(client: Client) -> None:
    """And its cookies are for us alone."""
    member("Support")
    cookies = log_in(client).cookies
    cookie = cookies["sessionid"]
    assert (cookie["httponly"], cookie["samesite"], cookie["expires"], cookie["max-age"]) == (True, "Lax", "", "")
    csrf = cookies["csrftoken"]
    assert (csrf["httponly"], csrf["samesite"]) == (True, "Lax")
    left = Session.objects.get().expire_date - timezone.now()
    assert 11.9 < left.total_seconds() / 3600 <= 12


def test_pages_are_sent_to_tls_and_machines_are_not(settings: Any) -> None:
    """A probe comes by IP and without TLS; Stripe takes a redirect for a failure."""
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 60
    client = Client()
    page = client.get("/admin/login/")
    assert (page.status_code, page.headers["Location"]) == (301, "https://testserver/admin/login/")
    check(page)
    assert client.get("/livez", headers={"host": "10.1.2.3:8000"}).status_code == 200
    assert client.get("/readyz", headers={"host": "10.1.2.3:8000"}).status_code == 200
    assert client.post("/webhooks/stripe", b"{}", content_type="application/json").status_code == 404
    behind = client.get("/admin/login/", headers={"x-forwarded-proto": "https"})
    assert behind.status_code == 200
    assert behind.headers["Strict-Transport-Security"] == "max-age=60; includeSubDomains"


def settings_with(folder: Path, **env: str) -> dict[str, str]:
    """The settings about TLS, as a process of its own reads them, where no `.env` is."""
    names = ["SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"]
    code = f"from django.conf import settings; print(*[getattr(settings, name) for name in {names}])"
    given = {**os.environ, "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "billing_project.settings", **env}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=given, capture_output=True, text=True, check=True, timeout=60
    )
    return dict(zip(names, done.stdout.split(), strict=True))


@pytest.mark.parametrize(
    ("env", "tls"),
    [({"HTTPS_ONLY": ""}, True), ({"HTTPS_ONLY": "false"}, False), ({"HTTPS_ONLY": "", "DEBUG": "true"}, False)],
)
def test_without_a_word_everything_is_over_tls(tmp_path: Path, env: dict[str, str], tls: bool) -> None:
    """Whoever has no TLS says so."""
    assert settings_with(tmp_path, **env) == {
        "SECURE_SSL_REDIRECT": str(tls),
        "SECURE_HSTS_SECONDS": str(30 * 24 * 3600 if tls else 0),
        "SESSION_COOKIE_SECURE": str(tls),
        "CSRF_COOKIE_SECURE": str(tls),
    }


def test_djangos_own_check_of_a_deployment_finds_nothing() -> None:
    """With the settings of production; `make lint` runs it, too."""
    env = {**os.environ, "HTTPS_ONLY": "true", "DEBUG": "false"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.placeholders", "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_passwords_that_anybody_would_guess_are_refused(client: Client) -> None:
    """Too short, too common, digits only, or the user's own name."""
    user = member("Support", "aidabekova")
    client.force_login(user)
    for password in ("short1!", "123456789012345", "1q2w3e4r5t6y", "aidabekova123"):
        sent = {"old_password": "a long enough password", "new_password1": password, "new_password2": password}
        answer = client.post("/admin/password_change/", sent)
        assert answer.status_code == 200, password
        assert answer.context["form"].errors
