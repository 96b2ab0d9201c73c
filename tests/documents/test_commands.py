"""Each page's command blocks and queries, carried out in their order on real services."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from billing_project.dev.simulator import Simulator
from payments.gateway import Gateway
from tests.documents.blocks import PAGES, ROOT, blocks
from tests.documents.carrier import Carrier
from tests.documents.ways import OWN_TEST, Way, way_of
from tests.documents.world import World
from tests.integration.bridge_member import events, joined, run_until
from tests.integration.kafka_client import make_all_topics, name_topics

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]

RUN_HERE = {Way.COMMAND, Way.PROCESS, Way.SETTING, Way.SHELL}


def is_run_here(page: Path) -> bool:
    """Whether there is anything in it that this test can run."""
    if str(page.relative_to(ROOT)) in OWN_TEST:
        return False
    lines = [line for block in blocks(page, kind="sh") for line in block.commands()]
    return bool({way_of(line) for line in lines} & RUN_HERE or blocks(page, kind="sql"))


@pytest.fixture
def carrier(
    stripe: Simulator, stripe_gateway: Gateway, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Carrier:
    """Topics with a group that has read a record, groups of staff, and rows of each sort."""
    neighbour = make_all_topics(name_topics(settings), partitions=1)
    neighbour.send(events("before"))
    with joined() as member:
        run_until(member, records=1)
    call_command("staff_groups", stdout=StringIO())
    return Carrier(folder=tmp_path, world=World(gateway=stripe_gateway, folder=tmp_path), monkeypatch=monkeypatch)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.exists() and is_run_here(page)], ids=lambda one: one.stem
)
def test_the_blocks_of_a_page_are_carried_out_as_they_are_written(page: Path, carrier: Carrier) -> None:
    """Commands end well, processes live and stop, settings are taken; queries are answered."""
    for block in blocks(page):
        if block.kind == "sh":
            carrier.carry_out(block)
        elif block.kind == "sql":
            with connection.cursor() as cursor:
                cursor.execute(block.text)
