"""docs/architecture.md shows what there is: each room, each table, each process."""

import re
import tomllib

from django.apps import apps

from payments.heartbeats import PROCESSES
from tests.documents.blocks import ROOT, blocks

PAGE = ROOT / "docs" / "architecture.md"
TEXT = PAGE.read_text()


def picture(kind: str, number: int = 0) -> str:
    """The drawing that begins so."""
    return [block.text for block in blocks(PAGE, kind="mermaid") if block.text.startswith(kind)][number]


def test_every_room_of_payments_is_drawn_in_the_order_of_the_import_rules() -> None:
    """Those that `make lint` holds."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [layers] = [one["layers"] for one in contracts if one.get("containers") == ["payments"]]
    rooms = [room for layer in layers for room in layer.split(" | ") if room != "templatetags"]
    drawing = picture("flowchart TD").partition("subgraph payments[")[2]
    places = {room: found.start() for room in rooms if (found := re.search(rf"\b{room}\b", drawing))}
    assert set(rooms) == set(places)
    heights = [max(places[room] for room in layer.split(" | ") if room in places) for layer in layers[1:]]
    assert heights[:-1] == sorted(heights[:-1]), "an upper room is drawn before a lower one"


def test_every_table_has_its_line() -> None:
    """Linked to the file that describes it."""
    tables = TEXT.partition("\n## Tables\n")[2]
    linked = dict(re.findall(r"\[(\w+)\]\(\.\./(payments/models/\w+\.py)\)", tables))
    models = {
        model.__name__: model.__module__.replace(".", "/") + ".py"
        for model in apps.get_app_config("payments").get_models()
    }
    assert linked == models


def test_every_process_has_its_line_and_its_place() -> None:
    """By the name that its heartbeat has."""
    section = TEXT.partition("\n## Processes\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\w+) \| \[", section, re.MULTILINE)
    assert sorted(rows) == sorted(PROCESSES)
    assert all(re.search(rf"\b{name}\b", picture("flowchart LR")) for name in PROCESSES)


def test_no_two_tasks_keep_each_other_out_by_one_number() -> None:
    """Whoever holds an advisory lock keeps all others out that ask for the same number, whatever they do."""
    sources = [
        path.read_text() for room in ("payments", "bridge", "billing_project") for path in (ROOT / room).rglob("*.py")
    ]
    numbers = [found for source in sources for found in re.findall(r"^\w*LOCK = (7_243_\d{3})$", source, re.MULTILINE)]
    assert len(numbers) >= 5
    assert sorted(numbers) == sorted(set(numbers))


def test_it_is_one_page() -> None:
    """Short enough to be read before anything else."""
    assert len(TEXT.splitlines()) <= 170
