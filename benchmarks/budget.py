"""What an event may cost in what can be counted, whatever the machine: `budget.json`, which a test compares with.

Per event: SQL statements (without BEGIN and COMMIT), commits (a statement outside a transaction has one of its own),
and calls to Stripe. Once with all events together, once with each alone; a real load is between the two.
"""

import json
from collections.abc import Mapping
from pathlib import Path

FILE = Path(__file__).with_suffix(".json")

# A budget that is so much higher than what is counted lets the next change waste it unseen.
SLACK = 0.2

# How many of each thing an event takes, by stage of its way.
Counts = Mapping[str, Mapping[str, float]]


def read(way: str) -> Counts:
    """What is recorded for `together` or `alone`."""
    found: dict[str, Counts] = json.loads(FILE.read_text())
    return found[way]


def write(way: str, counted: Counts) -> None:
    """Record what was counted; the other way's budget stays as it is."""
    found = json.loads(FILE.read_text()) if FILE.exists() else {}
    FILE.write_text(json.dumps(found | {way: counted}, indent=2, sort_keys=True) + "\n")


def compare(*, counted: Counts, budget: Counts) -> list[str]:
    """What differs by too much, a line each: more than is budgeted, or so much less that the budget means nothing."""
    lines = []
    for stage, what, found in ((stage, what, count) for stage, one in counted.items() for what, count in one.items()):
        allowed = budget.get(stage, {}).get(what)
        if allowed is None:
            lines.append(f"{stage}: {found:g} {what} an event, and no budget")
        elif found > allowed:
            lines.append(f"{stage}: {found:g} {what} an event, budget {allowed:g}: is it worth it?")
        elif found < allowed * (1 - SLACK):
            lines.append(f"{stage}: {found:g} {what} an event, budget {allowed:g}: well done, lower it")
    lines += [f"{stage}: has a budget, and isn't counted" for stage in budget if stage not in counted]
    return lines
