"""What the demo arranges at the simulator, which is another process: its `/_control/` endpoint over HTTP."""

import json
import time
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

READY_WITHIN = 20.0


def control(stripe: str, name: str, **fields: Any) -> dict[str, Any]:
    """Have the simulator at this address do something; returns what it says. Paths are in `simulator.control_http`."""
    request = Request(f"{stripe}/_control/{name}", json.dumps(fields).encode(), method="POST")  # noqa: S310 - our own
    with urlopen(request, timeout=10) as answer:  # noqa: S310 - on the loopback
        found: dict[str, Any] = json.load(answer)
    return found


def wait_for(stripe: str) -> None:
    """Until it listens. Raises what kept it from it."""
    deadline = time.monotonic() + READY_WITHIN
    while True:
        try:
            control(stripe, "clock", seconds=0)
        except URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def catch_up(stripe: str) -> None:
    """Let its clock show the time, if it is behind."""
    behind = time.time() - control(stripe, "clock", seconds=0)["now"]
    if behind > 0:
        control(stripe, "clock", seconds=behind)


def never_answer(stripe: str, *, method: str) -> None:
    """Whoever charges this saved card never hears what became of it, until the simulator is started anew."""
    control(stripe, "payment_methods", id=method, like="pm_card_visa")
    control(stripe, "faults", kind="status", endpoint="confirm", effect="before", payment_method=method, count=None)


def send_webhooks(stripe: str, *, port: int, secret: str) -> None:
    """To the web process of the demo, from now on."""
    control(stripe, "webhooks", url=f"http://127.0.0.1:{port}/webhooks/stripe", secret=secret)
