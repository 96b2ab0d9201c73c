"""How fast the admin is with a million payments: `make bench-admin`, or SIZE=20000 to see that it works.

On a PostgreSQL of its own, in a folder that goes away with it. Measures whole pages, from the request to the last byte
of HTML, in this process: what a network and a browser add is the same for any number of payments.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SETTINGS = {
    "STRIPE_SECRET_KEY": "sk_test_benchmark",
    "KAFKA_BROKER": "127.0.0.1:9",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "SECRET_KEY": "only-for-this-benchmark-and-never-in-production",
    "LOG_LEVEL": "ERROR",
    # Not the tests' own environment: it copies every template's context.
    "ALLOWED_HOSTS": "testserver",
    # Nobody ends TLS here.
    "HTTPS_ONLY": "false",
}


def main() -> int:
    """Fill, measure, print. Returns 1 where a page is slower than it should be and that was asked to matter."""
    asked = _arguments()
    from billing_project.dev.services import Services

    with tempfile.TemporaryDirectory(prefix="bench-admin-", dir=asked.folder) as folder:
        data = Path(folder)
        services = Services(data=data, cache=data, want=frozenset({"postgres"}), durable=False)
        with services:
            os.environ.update(SETTINGS, DATABASE_URL=services.database_url)
            return _run(asked)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1_000_000, help="how many payments")
    parser.add_argument("--repeats", type=int, default=7, help="how often each page is asked for")
    parser.add_argument("--json", type=Path, help="writes the figures there")
    parser.add_argument("--only", default="", help="only pages with this in their name or group")
    parser.add_argument("--strict", action="store_true", help="fails where a page is slower than the goal")
    parser.add_argument("--folder", type=Path, help="where the database is kept meanwhile")
    return parser.parse_args()


def _run(asked: argparse.Namespace) -> int:
    import django
    from django.core.management import call_command

    os.environ["DJANGO_SETTINGS_MODULE"] = "billing_project.settings"
    django.setup()
    call_command("migrate", verbosity=0)
    now = datetime.now(UTC)
    filled = _fill(asked.size, now)
    figures = _measure(asked, now)
    export = _whole_export(asked.size)
    report: dict[str, Any] = {
        "payments": asked.size, "machine": _machine(), "python": platform.python_version(), "filled_in_s": filled,
        "pages": figures, "whole_export": export,
    }  # fmt: skip
    _print(report)
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1) + "\n")
    late = [one for one in figures if one["median_ms"] > one["goal_ms"]]
    return 1 if asked.strict and late else 0


def _fill(size: int, now: datetime) -> float:
    from benchmarks import ledger
    from payments import metrics

    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {what}", file=sys.stderr, flush=True)

    ledger.prepare(size=size, now=now, say=say)
    say("hours, as beat counts them for the front page")
    metrics.count_hours(clock=lambda: datetime.now(UTC))
    say("filled")
    return round(time.monotonic() - began, 1)


def _measure(asked: argparse.Namespace, now: datetime) -> list[dict[str, Any]]:
    from django.db import connection

    from benchmarks.pages import pages

    client = _logged_in()
    figures = []
    for page in pages(repeats=asked.repeats, now=now, seed=1):
        if asked.only not in page.name and asked.only not in page.group:
            continue
        statements = Statements()
        with connection.execute_wrapper(statements):
            times = [_time(client, url, streamed=page.streamed) for url in page.urls]
        figures.append(
            {"group": page.group, "name": page.name, "median_ms": round(statistics.median(times), 1),
             "max_ms": round(max(times), 1), "sql_ms": round(statements.ms / len(times), 1),
             "statements": round(statements.count / len(times)), "goal_ms": page.goal_ms}
        )  # fmt: skip
        print(f"{page.group}: {page.name}: {figures[-1]['median_ms']} ms", file=sys.stderr, flush=True)
    return figures


class Statements:
    """Counts the statements that pass, and the milliseconds that they take."""

    def __init__(self) -> None:
        self.count, self.ms = 0, 0.0

    def __call__(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        """Pass one on."""
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.count, self.ms = self.count + 1, self.ms + (time.perf_counter() - began) * 1_000


def _logged_in() -> Any:
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.create_superuser("bench"))
    client.get("/admin/")  # loads templates and translations, once per process
    client.get("/admin/payments/payment/")
    return client


def _time(client: Any, url: str, *, streamed: bool) -> float:
    """Milliseconds until the page is there; of a stream, until its first rows are."""
    began = time.perf_counter()
    answer = client.get(url)
    if streamed:
        parts = iter(answer.streaming_content)
        next(parts)
        next(parts, None)
    else:
        len(answer.content)
    took = (time.perf_counter() - began) * 1_000
    answer.close()
    if answer.status_code != 200:
        raise RuntimeError(f"{url}: {answer.status_code}")
    return took


def _whole_export(size: int) -> dict[str, Any]:
    """All payments as CSV: rows per second, and how much memory it took beyond what was in use before."""
    client = _logged_in_again()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    length = rows = 0
    for part in client.get("/admin/payments/payment/export/").streaming_content:
        length += len(part)
        rows += part.count(b"\r\n")
    took = time.monotonic() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    if rows != size + 1:
        raise RuntimeError(f"{rows - 1} rows were exported of {size}")
    return {
        "rows": rows - 1,
        "megabytes": round(length / 1e6, 1),
        "seconds": round(took, 1),
        "memory_grew_mb": round(grown, 1),
    }


def _logged_in_again() -> Any:
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.get(username="bench"))
    return client


def _machine() -> str:
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.processor())  # fmt: skip
    return f"{os.cpu_count()} cores of {model}, {platform.system()} {platform.release()}"


def _print(report: dict[str, Any]) -> None:
    print(f"{report['payments']:,} payments, {report['machine']}, Python {report['python']}")
    print(f"{'':20}  {'':66}  {'median':>9}  {'max':>9}  {'of it SQL':>9}")
    for one in report["pages"]:
        late = "" if one["median_ms"] <= one["goal_ms"] else "  over the goal"
        print(f"{one['group']:20}  {one['name'][:66]:66}  {one['median_ms']:6.1f} ms  {one['max_ms']:6.1f} ms  "
              f"{one['sql_ms']:6.1f} ms{late}")  # fmt: skip
    export = report["whole_export"]
    print(f"whole export: {export['rows']:,} rows, {export['megabytes']} MB in {export['seconds']} s, "
          f"memory grew by {export['memory_grew_mb']} MB")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
