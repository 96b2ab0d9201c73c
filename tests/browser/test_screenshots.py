"""The pictures of the README: the pages that support looks at most, with the demo's data.

`make screenshots` writes them to docs/images; any other run looks whether they can be made.
"""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page

from billing_project.dev.demo import past
from billing_project.dev.simulator import Simulator
from payments import jobs, metrics
from payments.actions import ACTIONS
from payments.heartbeats import PROCESSES, Heart
from payments.models import Dispute, Heartbeat, Payment
from tests.browser import images
from tests.browser.conftest import LEFT
from tests.browser.people import now, page_of
from tests.browser.site import Site
from tests.e2e.deployment import ROOT

FOLDER = ROOT / os.environ.get("SCREENSHOTS", str(LEFT / "images"))
LARGEST = 200_000


@pytest.mark.timeout(600)
def test_the_pictures_of_the_readme_can_be_made(site: Site, page: Page, staff: User, stripe: Simulator) -> None:
    """List, payment, dashboard and the preview of a job, each worth looking at, and small enough for a repository."""
    past.write(stripe=stripe.url, publish=past.tell_nobody)
    disputed = Dispute.objects.earliest("respond_by").payment
    metrics.count_hours(clock=now)
    failed = Payment.objects.filter(status="failed").order_by("-created_at")[:30]
    job = jobs.draft(action=ACTIONS["retry"], subjects=failed, who="staff: aida", now=now())
    pages = {
        "list": "/admin/payments/payment/",
        "payment": page_of(disputed),
        "dashboard": "/admin/",
        "bulk-preview": page_of(job),
    }
    assert Payment.objects.count() > 100
    page.set_viewport_size({"width": 1280, "height": 960})
    with ExitStack() as running:
        # As in `make run`, where nothing is missing. What these processes do is in none of the pictures.
        hearts = [running.enter_context(Heart(process).beating()) for process in ("bridge", "relay", "beat")]
        processes = Heartbeat.objects.values("process").distinct()
        site.deployment.wait_until(lambda: processes.count() == len(PROCESSES), what="all processes")
        for name, path in pages.items():
            for heart in hearts:
                heart.note()
            picture = _take(page, path, FOLDER / f"{name}.png")
            assert picture.stat().st_size < LARGEST, picture


def _take(page: Page, path: str, picture: Path) -> Path:
    page.goto(path)
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready")
    images.save(picture, page.screenshot(animations="disabled", caret="hide"))
    return picture
