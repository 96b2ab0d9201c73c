"""docs/cutover.md, carried out: the commands of its blocks in their order, on real services."""

import shlex
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from kafka.admin import ConfigResource
from stripe import StripeClient

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.models import InboxMessage, Payment
from tests.documents.blocks import ROOT, blocks
from tests.documents.carrier import processes
from tests.integration.bridge_member import events
from tests.integration.kafka_client import Neighbour, make_all_topics, name_topics, wait_until
from tests.integration.stripe_contract import pay

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = ROOT / "docs" / "cutover.md"
# The time of the page.
START = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.fixture
def neighbour(settings: Any) -> Neighbour:
    """The topic as the other service leaves it: it has charged `old`, `sub_1` and `sub_2`, and not `new`."""
    neighbour = make_all_topics(name_topics(settings), partitions=1)
    with closing(neighbour.admin()) as admin:
        # The page's records are of its own time, which is long ago.
        admin.alter_configs([ConfigResource("TOPIC", neighbour.payments, {"retention.ms": "-1"})])
    for minutes, name in ((-300, "older"), (-60, "old"), (-40, "sub_1"), (40, "sub_2"), (50, "new")):
        at = START + timedelta(minutes=minutes)
        [value] = events(name)
        neighbour.send([value.replace(b"u_1", b"u_2") if name == "sub_2" else value], timestamp=milliseconds(at))
    return neighbour


def milliseconds(moment: datetime) -> int:
    """As Kafka keeps times."""
    return int(moment.timestamp() * 1000)


def texts(kind: str) -> list[str]:
    """The page's fenced blocks of one kind, in order."""
    return [block.text for block in blocks(PAGE, kind=kind)]


def run(block: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a block's commands in this process, each to its end; returns what they print. One that fails is raised."""
    capsys.readouterr()
    for line in block.strip().splitlines():
        python, manage, *command = shlex.split(line)
        assert (python, manage) == ("python", "manage.py"), line
        call_command(*command)
    return capsys.readouterr().out


def export(stripe: Simulator) -> str:
    """The page's file, with the PaymentIntents that the other service really has charged."""
    client = StripeClient("sk_test_other", base_addresses={"api": stripe.url}, max_network_retries=0)
    [text] = texts("csv")
    for name in ("pi_first", "pi_second"):
        text = text.replace(name, pay(client, amount=10_000, currency="kzt").id)
    return text


def verdicts() -> list[tuple[str | None, str, str]]:
    """Of all records, in order."""
    rows = InboxMessage.objects.order_by("offset")
    return [(row.subscription_id, row.verdict, row.reason) for row in rows]


def test_the_page_is_carried_out_as_it_is_written(
    neighbour: Neighbour,
    stripe: Simulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """P1, P2: nobody whom the other service has charged is due here, and everybody else is."""
    monkeypatch.chdir(tmp_path)
    Path("manage.py").symlink_to(ROOT / "manage.py")
    Path("paid.csv").write_text(export(stripe))
    before, import_, bridge, look, go, back = texts("sh")
    run(before, capsys)
    assert "2 paid subscriptions are imported, 0 are known already." in run(import_, capsys)
    with processes(bridge.strip(), folder=tmp_path):
        wait_until(lambda: neighbour.committed() == {0: 5}, what="all is read", within=60)
        assert charging.is_paused()
        told = run(look, capsys)
    assert f"{neighbour.payments}[0] from 3 up to 5: 1 accepted, 1 duplicate" in told
    assert "2 records have rows: complete." in told
    assert "The books agree." in told
    assert verdicts() == [
        ("sub_2", "duplicate", "the subscription was paid by the service before"),
        ("new", "accepted", ""),
    ]
    run(go, capsys)
    assert not charging.is_paused()
    due = Payment.objects.filter(due_at__isnull=False).values_list("subscription_id", flat=True)
    assert list(due) == ["new"]
    assert "back from 5 to 1, 4 records again, 2 of them new" in run(back, capsys)
