"""Made-up series as Prometheus would have scraped them, in promtool's notation."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import promql_parser as promql

MINUTE = 60.0
Labels = frozenset[tuple[str, str]]
NAME = "__name__"


@dataclass(frozen=True)
class Sample:
    """One value at one moment, in seconds."""

    at: float
    value: float


class Series:
    """All that Prometheus has scraped, from moment 0 on, once a minute; in promtool's notation."""

    def __init__(self, described: Mapping[str, str]) -> None:
        self._samples = {_labels(series): _expand(values) for series, values in described.items()}

    def select(self, selector: promql.VectorSelector, *, since: float, until: float) -> dict[Labels, list[Sample]]:
        """Those that match, with their samples in (since, until]."""
        found = {}
        for labels, samples in self._samples.items():
            if _matches(selector, dict(labels)):
                inside = [one for one in samples if since < one.at <= until]
                if inside:
                    found[labels] = inside
        return found


def _labels(series: str) -> Labels:
    selector = promql.parse(series)
    assert isinstance(selector, promql.VectorSelector)
    return frozenset(
        {(NAME, str(selector.name)), *((str(one.name), str(one.value)) for one in selector.matchers.matchers)}
    )


def _expand(values: str) -> list[Sample]:
    """`1x3` is 1 and three more of it, `0+2x3` is 0 2 4 6, `_x3` is nothing three times."""
    found: list[float | None] = []
    for word in values.split():
        if match := re.fullmatch(r"_(?:x(\d+))?", word):
            found += [None] * int(match[1] or 1)
            continue
        match = re.fullmatch(r"(-?[\d.]+)(?:([+-][\d.]+))?(?:x(\d+))?", word)
        assert match, word
        first, step = float(match[1]), float(match[2] or 0)
        found += [first + step * number for number in range(int(match[3] or 0) + 1)]
    return [Sample(MINUTE * place, value) for place, value in enumerate(found) if value is not None]


def _matches(selector: promql.VectorSelector, labels: dict[str, str]) -> bool:
    if labels[NAME] != selector.name:
        return False
    for one in selector.matchers.matchers:
        value = labels.get(one.name, "")
        equal = re.fullmatch(one.value, value) is not None if "Re" in str(one.op) else value == one.value
        if equal == ("Not" in str(one.op)):
            return False
    return True
