"""What a person at the desk does meanwhile: looks, searches, and asks for things, in the admin.

While something is broken a page may not come, or say that the database doesn't answer; any other error is one that
nobody should have to read.
"""

import random
import re
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import requests

from tests.chaos.staff import Failed
from tests.chaos.system import System

# Between two clicks.
PAUSE = 2.0
# gunicorn ends a worker that takes longer.
PATIENCE = 45.0
NAME = "aida"
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
# A page, what isn't there any more, what is refused with a sentence, and that the database doesn't answer.
FINE = (200, 404, 422, 503)


class Away(Exception):
    """No page came, or one that says to look again."""


class Desk:
    """One person at a browser, from `begin` to `end`."""

    def __init__(self, *, system: System, seed: int) -> None:
        self._system, self._chance = system, random.Random(f"desk {seed}")
        self.password = secrets.token_urlsafe(16)
        self._browser = requests.Session()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="desk", daemon=True)
        self.done: Counter[str] = Counter()
        self.failed: list[Failed] = []
        self.asked_back: Counter[str] = Counter()
        """How often a refund was asked for, by subscription."""

    def begin(self) -> None:
        """Be hired, and start."""
        made = self._system.command(
            "createsuperuser", "--noinput", "--username", NAME, "--email", "", DJANGO_SUPERUSER_PASSWORD=self.password
        )
        assert made.returncode == 0, made.stderr
        self._thread.start()

    def end(self) -> None:
        """Go home."""
        self._stop.set()
        self._thread.join(2 * PATIENCE)

    def _work(self) -> None:
        deeds: list[Callable[[], object]] = [
            self._look, self._search, self._look_at_everything, self._give_back, self._try_again, self._tell_again,
            self._ask_stripe, self._try_another_card,
        ]  # fmt: skip
        while not self._stop.wait(self._chance.uniform(0, 2 * PAUSE)):
            deed = self._chance.choice(deeds)
            is_previous = self._system.is_previous
            try:
                with self._system.desk:
                    is_previous = self._system.is_previous
                    deed()
                self.done[deed.__name__.strip("_")] += 1
            except Away:
                self.done["in vain"] += 1
            except Exception as trouble:  # noqa: BLE001 - whatever it is, it is told, and the day goes on
                self.failed.append(
                    Failed(arguments=[deed.__name__], code=500, said=f"{trouble!r}", is_previous=is_previous)
                )

    def _look(self) -> None:
        if row := self._one("true"):
            self._open(f"/admin/payments/payment/{row[0]}/change/")

    def _search(self) -> None:
        if row := self._one("true"):
            self._open(f"/admin/payments/payment/?q={row[1]}")

    def _look_at_everything(self) -> None:
        for name in ("", "payments/inboxmessage/", "payments/refund/", "payments/job/", "payments/outboxmessage/"):
            self._open(f"/admin/{name}")

    def _give_back(self) -> None:
        if row := self._one("status = 'success' AND subscription_id LIKE 'good%%' AND refunded = 0"):
            self.asked_back[row[1]] += 1
            self._act("refund", row[0], **({"amount": "1"} if self._chance.random() < 0.5 else {}))

    def _try_again(self) -> None:
        if row := self._one("status = 'failed' AND closed_at IS NULL"):
            self._act("retry", row[0])

    def _try_another_card(self) -> None:
        """The one thing for which the admin itself asks Stripe: whose it is."""
        if row := self._one("status = 'failed' AND closed_at IS NULL AND subscription_id LIKE 'fickle%%'"):
            self._act("retry_with", row[0], payment_method="pm_card_visa")

    def _tell_again(self) -> None:
        if row := self._one("status <> 'pending'"):
            self._act("notify", row[0])

    def _ask_stripe(self) -> None:
        if row := self._one("true"):
            self._act("refresh", row[0])

    def _act(self, action: str, payment: str, **arguments: str) -> None:
        """From the button over the preview to the job under way."""
        page = self._open(f"/admin/payments/payment/{payment}/change/")
        if page.status_code != requests.codes.ok:
            return
        preview = self._post("/admin/payments/job/begin/", page, action=action, subject=payment)
        if preview.status_code == requests.codes.ok:
            job = preview.url.partition("/job/")[2].partition("/")[0]
            self._post(f"/admin/payments/job/{job}/confirm/", preview, why="a day like any other", **arguments)

    def _open(self, path: str) -> requests.Response:
        page = self._ask("GET", path)
        if "/admin/login/" in page.url:
            self._post("/admin/login/", page, username=NAME, password=self.password)
            page = self._ask("GET", path)
            assert "/admin/login/" not in page.url, "not let in"
        return page

    def _post(self, path: str, page: requests.Response, **form: str) -> requests.Response:
        token = TOKEN.search(page.text)
        assert token, f"{page.url} has no form"
        return self._ask("POST", path, {"csrfmiddlewaretoken": token[1], **form})

    def _ask(self, method: str, path: str, form: Mapping[str, str] | None = None) -> requests.Response:
        """A page. Raises `Away`; `AssertionError` for one that nobody should have to read."""
        try:
            page = self._browser.request(method, f"{self._system.web}{path}", data=form, timeout=PATIENCE)
        except requests.RequestException as trouble:
            raise Away from trouble
        assert page.status_code in FINE, f"{method} {path}: {page.status_code} {page.text[:300]}"
        if page.status_code == requests.codes.service_unavailable:
            raise Away
        return page

    def _one(self, where: str) -> tuple[Any, ...] | None:
        """A payment's id and subscription."""
        sql = f"SELECT id, subscription_id FROM payments_payment WHERE {where} ORDER BY random() LIMIT 1"  # noqa: S608
        found = self._system.ask(sql)
        return found[0] if found else None
