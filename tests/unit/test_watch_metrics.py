"""The metrics that are listed in the documents are those that there are."""

import re
import typing
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from bridge import metrics as bridge_metrics
from payments import counters
from payments.limits import Endpoint
from payments.metrics import names as of_rows

ROOT = Path(__file__).resolve().parents[2]
# What labels may tell: places, codes and names of our own.
LABELS = set(
    "topic partition verdict endpoint answer task state action outcome currency status fault kind what stage cause "
    "process queue".split()
)


def names(registry: CollectorRegistry) -> list[str]:
    """As they stand in the documents."""
    return [family.name + ("_total" if family.type == "counter" else "") for family in registry.collect()]


def labels_of(module: object) -> dict[str, tuple[str, ...]]:
    """By name, of what a module counts."""
    found = [one for one in vars(module).values() if isinstance(one, MetricWrapperBase)]
    return {one._name: tuple(one._labelnames) for one in found}


def test_the_documents_list_every_metric() -> None:
    """In their order, by their names; and labels are nothing but places and names of ours."""
    section = (ROOT / "docs" / "operations.md").read_text().split("\n## Watching\n")[1].split("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)`(?: \((.*?)\))? \|", section, re.MULTILINE)
    rows = [measure.name for measure in of_rows.ALL]
    in_processes = [*names(bridge_metrics.BRIDGE), *names(bridge_metrics.RELAY), *names(counters.WORKER)]
    assert [name for name, _ in listed] == [*in_processes, *rows]
    labels = {name.removesuffix("_total"): tuple(text.split(", ")) if text else () for name, text in listed}
    made = labels_of(bridge_metrics) | labels_of(counters) | {one.name: one.labels for one in of_rows.ALL}
    assert labels == made
    assert {label for found in made.values() for label in found} == LABELS


def test_a_name_of_rows_that_is_made_is_told() -> None:
    """None is forgotten in the list, and none is there twice."""
    made = [one for one in vars(of_rows).values() if isinstance(one, of_rows.Measure)]
    assert list(of_rows.ALL) == made
    assert len({one.name for one in made}) == len(made)


def test_calls_to_stripe_are_counted_by_the_names_of_the_rate_limit() -> None:
    """So that a dashboard can lay one over the other."""
    assert sorted(typing.get_args(counters.StripeEndpoint)) == sorted(endpoint.value for endpoint in Endpoint)
