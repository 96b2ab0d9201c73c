"""One run of the demo, from the first line on the terminal to the last process stopped."""

import argparse
import io
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from types import FrameType

import django
from rich.console import Console

from billing_project import env_sources
from billing_project.dev.demo import environment
from billing_project.dev.demo.environment import CACHE, DATA, ROOT, Plan
from billing_project.dev.demo.processes import ProcessEnded, Processes, watch_code
from billing_project.dev.services import ServiceFailed, Services
from billing_project.dev.services.process import find_free_ports

WEB_PORT = 8000
# As long as Stripe takes for a charge, about.
SIMULATED_LATENCY_MS = 300
SIMULATOR = [sys.executable, "-m", "billing_project.dev.simulator"]
AT_REST_WITHIN = 90.0
EPILOG = """examples:
  manage.py demo
  manage.py demo --exit
  STRIPE_SECRET_KEY=sk_test_… manage.py demo --feed

Exit codes: 0 at rest or after Ctrl-C; 1 it can't go on, and why; 2 wrong usage; 130 Ctrl-C before the end of --exit.
"""
# How long ago the story of a new database begins.
PAST = timedelta(days=7)


class Interrupted(Exception):
    """Ctrl-C or SIGTERM."""


class GivenUp(Exception):
    """The demo can't go on; the text is one line."""


def main(arguments: list[str]) -> int:
    """Run the demo. Returns the exit code: 0 at rest or after Ctrl-C, 1 with one line that says what is wrong."""
    options = _parse(arguments)
    console = Console(highlight=False, soft_wrap=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    try:
        with ExitStack() as stack:
            return _run(options, console, stack)
    except env_sources.EnvInvalid as invalid:
        for problem in invalid.problems:
            print(f"configuration: {problem}", file=sys.stderr)
        return 1
    except (ServiceFailed, ProcessEnded, GivenUp) as failure:
        print(failure, file=sys.stderr)
        return 1
    except Interrupted:
        return 130 if options.exit else 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="manage.py demo", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--exit", action="store_true", help="end when the last event is settled; 0 if all is well")
    parser.add_argument("--feed", action="store_true", help="feed events although a service is configured")
    parser.add_argument("--data", type=Path, default=DATA, help="where the embedded services keep their data")
    parser.add_argument("--bare", action="store_true", help="without the made-up week that a new database begins with")
    parser.add_argument("--reload", action="store_true", help="restart the processes when code changes")
    return parser.parse_args(arguments)


def _interrupt(number: int, _: FrameType | None) -> None:
    # Once: the second Ctrl-C of an impatient person must not interrupt the stopping.
    signal.signal(number, signal.SIG_IGN)
    raise Interrupted


def _run(options: argparse.Namespace, console: Console, stack: ExitStack) -> int:
    plan = environment.plan(data=options.data)
    feeds = options.feed or not plan.configured
    if options.exit and not feeds:
        raise GivenUp(f"nothing is fed while {', '.join(plan.configured)} is set: add --feed, or leave out --exit")
    _start_services(plan, options.data, console, stack)
    web_port = WEB_PORT if _is_free(WEB_PORT) else find_free_ports(count=1)[0]
    processes = Processes(logs=options.data / "logs", web_port=web_port)
    stack.callback(processes.stop)
    stripe = _start_simulator(processes, options.data) if plan.simulator else None
    os.environ["DJANGO_SETTINGS_MODULE"] = "billing_project.settings"
    os.environ.setdefault("LOG_FORMAT", "json")
    os.environ.setdefault("LOG_LEVEL", "INFO")
    _prepare_database(plan, options.data, console)
    if stripe:
        _begin_with_a_past(
            stripe, console, wanted=feeds and not options.bare and "postgres" in plan.embedded, web_port=web_port
        )

    from billing_project.dev.demo.live import Live

    live = Live(console=console, processes=processes, stripe=stripe)
    processes.start()
    _say_where(plan, options.data, console, processes, web_port)
    if feeds:
        live.feed(stuck=not options.exit)
    if options.exit:
        return live.until_at_rest(within=AT_REST_WITHIN)
    if options.reload:
        stop = threading.Event()
        stack.callback(stop.set)
        threading.Thread(target=_reload, args=(processes, console, stop), daemon=True).start()
    live.for_ever()
    return 0


def _start_services(plan: Plan, data: Path, console: Console, stack: ExitStack) -> None:
    if not plan.embedded:
        return
    began = time.monotonic()
    services = Services(data=data, cache=CACHE, want=plan.embedded, durable=True, say=lambda line: console.print(line))
    stack.enter_context(services)
    console.print(f"started {', '.join(sorted(plan.embedded))} in {time.monotonic() - began:.1f} s")
    addresses = {
        "postgres": ("DATABASE_URL", services.database_url),
        "redis": ("REDIS_URL", services.redis_url),
        "kafka": ("KAFKA_BROKER", services.kafka_broker),
    }
    for name in plan.embedded:
        variable, address = addresses[name]
        os.environ[variable] = address


def _start_simulator(processes: Processes, data: Path) -> str:
    [port] = find_free_ports(count=1)
    journal = data / "stripe.jsonl"
    behind = 0.0 if journal.exists() else PAST.total_seconds()
    os.environ["STRIPE_WEBHOOK_SECRET"] = environment.webhook_secret(data=data)
    arguments = ["--port", str(port), "--latency-ms", str(SIMULATED_LATENCY_MS), "--journal", str(journal)]
    arguments += ["--behind-s", str(behind)]
    processes.spawn("stripe-simulator", [*SIMULATOR, *arguments])
    os.environ["STRIPE_API_BASE"] = f"http://127.0.0.1:{port}"
    return os.environ["STRIPE_API_BASE"]


def _prepare_database(plan: Plan, data: Path, console: Console) -> None:
    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import CommandError, call_command
    from django.db import OperationalError

    def migrate() -> None:
        call_command("migrate", verbosity=0)

    def topics() -> None:
        call_command("topics", partitions=4, stdout=io.StringIO())

    _until_there(migrate, OperationalError, "the database does not answer (DATABASE_URL)", console)
    _until_there(topics, CommandError, "Kafka does not answer (KAFKA_BROKER)", console)
    if "postgres" in plan.embedded:
        users = get_user_model()
        if not users.objects.filter(username="admin").exists():
            users.objects.create_superuser("admin", password=environment.admin_password(data=data))


def _begin_with_a_past(stripe: str, console: Console, *, wanted: bool, web_port: int) -> None:
    """Fill an empty database with the week before; then the simulator is as slow as Stripe, and knows the time."""
    from billing_project.dev.demo import past
    from billing_project.dev.demo.arrange import catch_up, control, send_webhooks, wait_for

    wait_for(stripe)
    if wanted and past.is_empty():
        began = time.monotonic()
        with past.publisher() as publish:
            count = past.write(stripe=stripe, publish=publish)
        console.print(f"lived through a week of {count} payments in {time.monotonic() - began:.1f} s")
    catch_up(stripe)
    control(stripe, "latency", ms=SIMULATED_LATENCY_MS)
    send_webhooks(stripe, port=web_port, secret=os.environ["STRIPE_WEBHOOK_SECRET"])


def _until_there(step: Callable[[], None], away: type[Exception], line: str, console: Console) -> None:
    pause = 0.5
    while True:
        try:
            return step()
        except away:
            console.print(f"{line}: trying again in {pause:.0f} s", style="yellow")
            time.sleep(pause)
            pause = min(pause * 2, 15.0)


def _say_where(plan: Plan, data: Path, console: Console, processes: Processes, web_port: int) -> None:
    login = "with a login of manage.py createsuperuser"
    if "postgres" in plan.embedded:
        login = f"[bold]admin / {environment.admin_password(data=data)}[/]"
    console.print(f"admin   http://127.0.0.1:{web_port}/admin/  {login}")
    logs = processes.log("bridge").parent
    console.print(f"logs    {logs.relative_to(ROOT) if logs.is_relative_to(ROOT) else logs}/")
    console.print("stop    Ctrl-C\n")


def _reload(processes: Processes, console: Console, stop: threading.Event) -> None:
    for changed in watch_code(stop):
        console.print(f"[bold]restart[/]   {', '.join(changed)}")
        processes.restart()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
