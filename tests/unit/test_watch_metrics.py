"""The metrics that are listed in the documents are those that there are."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from bridge import metrics

ROOT = Path(__file__).resolve().parents[2]


def names(registry: CollectorRegistry) -> list[str]:
    """As they stand in the documents."""
    return [family.name + ("_total" if family.type == "counter" else "") for family in registry.collect()]


def test_the_documents_list_every_metric() -> None:
    """In their order, by their names; and labels are nothing but places and verdicts."""
    section = (ROOT / "docs" / "operations.md").read_text().split("\n## Watching\n")[1].split("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)`(?: \((.*?)\))? \|", section, re.MULTILINE)
    assert [name for name, _ in listed] == [*names(metrics.BRIDGE), *names(metrics.RELAY)]
    labels = {name: tuple(text.split(", ")) if text else () for name, text in listed}
    made = {one._name: one._labelnames for one in vars(metrics).values() if hasattr(one, "_labelnames")}
    assert {name.removesuffix("_total"): found for name, found in labels.items()} == made
    assert {label for found in made.values() for label in found} == {"topic", "partition", "verdict"}
