"""One Chromium and one site for all tests of a run; a fresh window, database and Stripe for each test."""

import os
import re
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.db import connection
from playwright.sync_api import Browser, Page, expect, sync_playwright

from billing_project.access import groups
from billing_project.dev.demo.run import PAST
from billing_project.dev.services import Redis
from billing_project.dev.simulator import Simulator
from payments.models import Heartbeat

pytest.register_assert_rewrite(
    "tests.browser.checks", "tests.browser.people", "tests.browser.site", "tests.e2e.deployment"
)

from tests.browser import chromium  # noqa: E402
from tests.browser.checks import listen, no_console_errors, said  # noqa: E402
from tests.browser.site import READY_WITHIN, Site, commands, free_port  # noqa: E402
from tests.e2e.deployment import ROOT, Deployment  # noqa: E402
from tests.integration.staff_users import member  # noqa: E402

# Where a failed test leaves what it saw.
LEFT = ROOT / ".data" / "browser"
LAPTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
# A journey through many pages takes longer than other tests.
TEST_WITHIN = 420
# Long enough for a slow machine, short enough that a journey that is stuck fails within the test's own time.
PATIENCE_MS = 20_000

Open = Callable[..., Page]
_FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The Chromium. Without one the run ends with one line; nothing is skipped."""
    # Playwright's event loop runs in this thread between our calls, and Django takes that for an async view.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        try:
            started = chromium.launch(playwright)
        except chromium.NoChromium as none:
            pytest.exit(str(none), returncode=1)
        expect.set_options(timeout=PATIENCE_MS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def _simulator() -> Iterator[Simulator]:
    """Its clock begins a week ago, as the demo's does, so that a test may live through that week."""
    with Simulator(seed=1, behind=PAST.total_seconds()) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def _site(django_db_setup: None, _simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    redis = Redis(folder=Path(os.environ["TEST_DATA"]) / f"browser-{uuid.uuid4().hex[:8]}", durable=False)
    redis.start()
    port = free_port()
    url = os.environ["TEST_DATABASE_URL"].rpartition("/")[0] + f"/{connection.settings_dict['NAME']}"
    deployment = Deployment(
        folder=tmp_path_factory.mktemp("site"), stripe=_simulator, redis_server=redis, database=url,
        commands=commands(port=port),
    )  # fmt: skip
    # As in `make run`: cookies over plain HTTP, on the loopback; webhooks are switched on.
    deployment.env |= {"DEBUG": "true", "SECRET_KEY": django_settings.SECRET_KEY, "STRIPE_WEBHOOK_SECRET": "whsec_x"}
    try:
        site = Site(deployment=deployment, port=port)
        site.start()
        yield site
    finally:
        deployment.remove()
        redis.stop()


@pytest.fixture
def site(_site: Site, transactional_db: None, stripe: Simulator) -> Site:
    """The site, with an empty database and an empty Stripe behind it. What a migration has put into the database was
    emptied out with the rest; the groups are made again, as `manage.py staff_groups` does."""
    _site.deployment.flush_redis()
    groups.put_right()
    return _site


@pytest.fixture
def sweeping(site: Site) -> Iterator[None]:
    """With the scheduler, for what no doorbell is rung for."""
    site.deployment.start("beat")
    beating = Heartbeat.objects.filter(process="beat")
    site.deployment.wait_until(beating.exists, what="the scheduler", within=READY_WITHIN)
    yield
    site.deployment.stop("beat")


@pytest.fixture
def open_window(browser: Browser, site: Site, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Open a window: `width`, `height`, `color_scheme`, `locale`, as Playwright names them. At the end each is
    asked what its console says, and what a failed test saw is kept."""
    opened: list[Page] = []

    def open_one(**options: Any) -> Page:
        viewport = {name: options.pop(name, LAPTOP[name]) for name in ("width", "height")}
        context = browser.new_context(base_url=site.url, viewport=viewport, **options)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        listen(page)
        opened.append(page)
        return page

    yield open_one
    failed = request.node.stash.get(_FAILED, False)
    for number, page in enumerate(opened, start=1):
        if failed:
            _keep(page, folder=LEFT / re.sub(r"\W+", "-", request.node.name), number=number)
    try:
        if not failed:
            for page in opened:
                no_console_errors(page)
    finally:
        for page in opened:
            page.context.close()


@pytest.fixture
def page(open_window: Open) -> Page:
    """One window, as on a laptop."""
    return open_window()


@pytest.fixture
def hire(site: Site, open_window: Open) -> Open:
    """A person of a group, by name, at a window of their own; logged in. `**window` as of `open_window`."""

    def hire_one(group: str, name: str, **window: Any) -> Page:
        page = open_window(**window)
        site.admit(page, member(group, name))
        return page

    return hire_one


@pytest.fixture
def staff(site: Site, page: Page) -> User:
    """A superuser, whoever may the most, logged in at the window."""
    user = User.objects.create_superuser("aida", password="a long enough password")
    site.admit(page, user)
    return user


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give journeys their time."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(TEST_WITHIN))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let the fixtures know how the test went."""
    report = yield
    if report.when == "call":
        item.stash[_FAILED] = report.failed
    return report


def _keep(page: Page, *, folder: Path, number: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{number}.png", full_page=True)
    (folder / f"{number}.html").write_text(page.content(), encoding="utf-8")
    (folder / f"{number}.log").write_text("\n".join([page.url, *said(page)]) + "\n", encoding="utf-8")
