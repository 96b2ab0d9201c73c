"""What every page is held to: nothing in its console, nothing that axe calls serious."""

from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, Response

GRAVE = ("serious", "critical")
SERVER_ERROR = 500


@dataclass
class _Heard:
    """What a page has said since it was opened. `complaints` is what no page of ours may say."""

    lines: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


_heard: WeakKeyDictionary[Page, _Heard] = WeakKeyDictionary()


def listen(page: Page) -> None:
    """Keep what the page says from now on."""
    heard = _heard[page] = _Heard()

    def say(message: ConsoleMessage) -> None:
        line = f"{message.type}: {message.text} ({message.location.get('url', '')})"
        heard.lines.append(line)
        # A refused script or style is said as an error as well.
        if message.type == "error":
            heard.complaints.append(line)

    def answer(response: Response) -> None:
        heard.lines.append(f"{response.status} {response.request.method} {response.url}")
        if response.status >= SERVER_ERROR:
            heard.complaints.append(heard.lines[-1])

    page.on("console", say)
    page.on("pageerror", lambda error: heard.complaints.append(f"uncaught: {error}"))
    page.on("response", answer)


def said(page: Page) -> list[str]:
    """All lines of the console, and every answer."""
    return [*_heard[page].lines, *_heard[page].complaints]


def no_console_errors(page: Page, *, but: str = "") -> None:
    """No script failed, nothing was refused by the Content-Security-Policy, no answer was an error of ours.

    `but`: what a test has provoked on purpose, as a part of the line.
    """
    heard = _heard[page]
    found = [line for line in heard.complaints if not but or but not in line]
    heard.complaints.clear()
    assert not found, "the console says:\n" + "\n".join(found)


def assert_accessible(page: Page, *, where: str) -> None:
    """axe finds nothing serious or critical on the page as it is now."""
    response: Any = Axe().run(page).response
    grave = [violation for violation in response["violations"] if violation["impact"] in GRAVE]
    assert not grave, f"{where} at {page.url}\n" + "\n".join(_readable(violation) for violation in grave)


def _readable(violation: dict[str, Any]) -> str:
    lines = [f"{violation['impact']}: {violation['id']}: {violation['help']} ({len(violation['nodes'])} places)"]
    for node in violation["nodes"][:8]:
        messages = [check["message"] for kind in ("any", "all", "none") for check in node[kind]]
        lines.append(f"    {' '.join(map(str, node['target']))}")
        lines.append(f"        {' '.join(node['html'].split())[:160]}")
        lines += [f"        {message}" for message in messages[:2]]
    return "\n".join(lines)
