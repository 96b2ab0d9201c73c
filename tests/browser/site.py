"""The desk as staff meet it: the product's own web process and worker, on the tests' database.

The tests write rows with the product's own code beside them, so that nothing has to wait for Kafka.
"""

import sys
import time
from urllib.error import URLError
from urllib.request import urlopen

from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from playwright.sync_api import Page

from billing_project.dev.services.process import find_free_ports
from tests.e2e.deployment import COMMANDS, Deployment

# Python, Django and two processes at once, on a machine that does other things as well.
READY_WITHIN = 180.0


def commands(*, port: int) -> dict[str, list[str]]:
    """The product's processes, with the web process at this port."""
    return COMMANDS | {"web": [sys.executable, "-m", "gunicorn", "billing_project.wsgi", "--bind", f"127.0.0.1:{port}"]}


class Site:
    """One address, for all tests of a run; the database and the simulator are empty before each."""

    def __init__(self, *, deployment: Deployment, port: int) -> None:
        self.deployment = deployment
        self.url = f"http://127.0.0.1:{port}"

    def start(self) -> None:
        """Start the web process and the worker; returns when the first page can be had."""
        self.deployment.start("web", "worker")
        self.deployment.wait_until(self._is_ready, what="the web process", within=READY_WITHIN)

    def _is_ready(self) -> bool:
        try:
            with urlopen(f"{self.url}/readyz", timeout=10) as answer:  # noqa: S310 - our own, on the loopback
                return bool(answer.status == 200)
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
            return False

    def admit(self, page: Page, user: User) -> None:
        """Log in without the form, which has a test of its own."""
        session = SessionStore()
        session["_auth_user_id"] = str(user.pk)
        session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
        session["_auth_user_hash"] = user.get_session_auth_hash()
        session.save()
        assert session.session_key
        page.context.add_cookies([{"name": "sessionid", "value": session.session_key, "url": self.url}])


def free_port() -> int:
    """A port for the web process."""
    [port] = find_free_ports(count=1)
    return port
