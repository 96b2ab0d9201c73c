"""Which Chromium drives the tests, and how it is started: quiet, and with no word to anybody but us."""

import os
from pathlib import Path

from playwright.sync_api import Browser, Error, Playwright

# Debian's package.
OF_THE_SYSTEM = Path("/usr/bin/chromium")
# Without these it looks for updates, extensions and Google's hosts at each start.
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"]
QUIET += ["--no-first-run", "--disable-gpu"]


class NoChromium(Exception):
    """There is none to drive the tests with; the text is one line that says what to do."""


def find() -> Path | None:
    """CHROMIUM, else the system's; None for Playwright's own. Raises `NoChromium` where CHROMIUM names nothing."""
    named = os.environ.get("CHROMIUM", "")
    if named:
        if not os.access(named, os.X_OK):
            raise NoChromium(f"CHROMIUM: {named} is no program: name one, or unset it")
        return Path(named)
    return OF_THE_SYSTEM if OF_THE_SYSTEM.exists() else None


def launch(playwright: Playwright) -> Browser:
    """Start it, without a window. Raises `NoChromium`."""
    found = find()
    # Chromium's sandbox refuses to be started by root, as in a container.
    flags = QUIET + (["--no-sandbox"] if os.geteuid() == 0 else [])
    try:
        return playwright.chromium.launch(executable_path=found, args=flags)
    except Error as error:
        what = f"Chromium at {found} does not start" if found else "no Chromium was found"
        fix = "install Debian's package chromium, run `python -m playwright install chromium`, or set CHROMIUM=path"
        detail = f" ({error.message.strip().splitlines()[0]})" if found else ""
        raise NoChromium(f"{what}{detail}: {fix}") from None
