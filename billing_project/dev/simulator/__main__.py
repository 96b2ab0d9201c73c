"""python -m billing_project.dev.simulator --port 12111: the simulator as a process.

Prints one line when it is ready; SIGTERM and Ctrl-C end it with 0.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
from pathlib import Path

from .server import serve
from .webhooks import Destination
from .world import Latency, World

# The ledger only grows, and looking through all of it for cycles stops every answer: do it seldom.
COLLECT_AFTER = (50_000, 20, 1_000)


def main() -> None:
    """Parse the command line and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="simulator", description="A Stripe that runs on this machine.")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument(
        "--share-network", action="store_true", help="listen on all addresses, and be without the control endpoint"
    )
    parser.add_argument("--port", type=int, default=12111, help="0 takes any free one")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="how long an answer takes")
    parser.add_argument("--slow-share", type=float, default=0.0, help="share of slow answers, 0 to 1")
    parser.add_argument("--slow-ms", type=float, default=0.0, help="how long a slow answer takes")
    parser.add_argument("--journal", type=Path, help="a file to remember everything in")
    parser.add_argument("--webhook-url", help="where to send events to")
    parser.add_argument("--webhook-secret", default="", help="what to sign them with: whsec_…")
    parser.add_argument("--behind-s", type=float, default=0.0, help="how many seconds ago its clock begins")
    options = parser.parse_args()
    gc.set_threshold(*COLLECT_AFTER)
    latency = Latency(options.latency_ms, options.slow_share, options.slow_ms)
    webhooks = Destination(options.webhook_url, options.webhook_secret) if options.webhook_url else None
    world = World(latency=latency, journal=options.journal, webhooks=webhooks, behind=options.behind_s)
    host = "0.0.0.0" if options.share_network else options.host  # noqa: S104 - the control endpoint stays away
    asyncio.run(_run(world, host=host, port=options.port, control=not options.share_network))


async def _run(world: World, *, host: str, port: int, control: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serve(world, host=host, port=port, control=control) as url:
        print(f"simulator ready at {url}", flush=True)
        await stop.wait()


if __name__ == "__main__":
    main()
