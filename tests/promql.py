"""Prometheus's expressions, evaluated over made-up series: as much of the language as our alerts and dashboards use.

The parser is Prometheus's own grammar (promql-parser); what it means is written down here, from Prometheus's
documentation. Where promtool is at hand, the same cases go through it as well (test_alerts).
"""

import itertools
import math
from collections.abc import Callable, Iterator

import promql_parser as promql

from tests.scraped import MINUTE, NAME, Labels, Series

# How long a series that ended is still seen.
LOOKBACK = 5 * MINUTE

Vector = dict[Labels, float]


def evaluate(expr: object, *, over: Series, at: float) -> Vector | float:
    """The value of an expression at one moment."""
    if isinstance(expr, str):
        expr = promql.parse(expr)
    match expr:
        case promql.NumberLiteral():
            return float(expr.val)
        case promql.ParenExpr():
            return evaluate(expr.expr, over=over, at=at)
        case promql.VectorSelector():
            found = over.select(expr, since=at - LOOKBACK, until=at)
            return {labels: samples[-1].value for labels, samples in found.items()}
        case promql.AggregateExpr():
            return _aggregate(expr, over, at)
        case promql.BinaryExpr():
            return _binary(expr, evaluate(expr.lhs, over=over, at=at), evaluate(expr.rhs, over=over, at=at))
        case promql.Call():
            return _call(expr, over, at)
    raise ValueError(f"this test reads no {type(expr).__name__}: teach it in tests/promql.py")


def firing(expr: str, *, lasting: float, over: Series, until: float) -> Vector:
    """What of an alert fires at the end of that time: each series that was there at every look for so long."""
    parsed = promql.parse(expr)
    fires: Vector = {}
    for back in reversed(range(math.ceil(lasting / MINUTE) + 1)):
        found = evaluate(parsed, over=over, at=until - back * MINUTE)
        assert isinstance(found, dict), "an alert is a vector"
        seen = {_without_name(labels): number for labels, number in found.items()}
        fires = {labels: number for labels, number in seen.items() if labels in fires or back * MINUTE >= lasting}
    return fires


def names_in(expr: str) -> Iterator[str]:
    """Each metric that an expression reads."""
    found: list[str] = []

    def walk(node: object) -> None:
        match node:
            case promql.VectorSelector():
                found.append(str(node.name))
            case promql.MatrixSelector():
                walk(node.vector_selector)
            case promql.BinaryExpr():
                walk(node.lhs)
                walk(node.rhs)
            case promql.Call():
                for one in node.args:
                    walk(one)
            case promql.AggregateExpr() | promql.ParenExpr() | promql.SubqueryExpr() | promql.UnaryExpr():
                walk(node.expr)

    walk(promql.parse(expr))
    yield from found


def _without_name(labels: Labels) -> Labels:
    return frozenset(one for one in labels if one[0] != NAME)


def _aggregate(expr: promql.AggregateExpr, over: Series, at: float) -> Vector:
    groups: dict[Labels, list[float]] = {}
    kept = set(expr.modifier.labels) if expr.modifier else set()
    assert expr.modifier is None or "By" in str(expr.modifier.type)
    inner = evaluate(expr.expr, over=over, at=at)
    assert isinstance(inner, dict)
    for labels, value in inner.items():
        groups.setdefault(frozenset(one for one in labels if one[0] in kept), []).append(value)
    how: dict[str, Callable[[list[float]], float]] = {"sum": sum, "max": max, "min": min, "count": len}
    return {labels: float(how[str(expr.op)](values)) for labels, values in groups.items()}


_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else (math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a)),
}  # fmt: skip
_COMPARISON: dict[str, Callable[[float, float], bool]] = {
    ">": lambda a, b: a > b, "<": lambda a, b: a < b, ">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b,
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
}  # fmt: skip


def _binary(expr: promql.BinaryExpr, left: Vector | float, right: Vector | float) -> Vector | float:
    op = str(expr.op)
    if isinstance(left, dict) and isinstance(right, dict):
        return _of_vectors(expr, op, left, right)
    if isinstance(left, dict) and not isinstance(right, dict):
        return _with_scalar(op, left, lambda value: (value, right))
    if isinstance(right, dict) and not isinstance(left, dict):
        return _with_scalar(op, right, lambda value: (left, value))
    assert not isinstance(left, dict)
    assert not isinstance(right, dict)
    return _ARITHMETIC[op](left, right)


def _with_scalar(op: str, vector: Vector, sides: Callable[[float], tuple[float, float]]) -> Vector:
    if op in _COMPARISON:
        return {labels: value for labels, value in vector.items() if _COMPARISON[op](*sides(value))}
    return {_without_name(labels): _ARITHMETIC[op](*sides(value)) for labels, value in vector.items()}


def _of_vectors(expr: promql.BinaryExpr, op: str, left: Vector, right: Vector) -> Vector:
    only = None
    if expr.modifier and expr.modifier.matching:
        assert "on" in str(expr.modifier)
        only = set(expr.modifier.matching.labels)

    def key(labels: Labels) -> Labels:
        return frozenset(one for one in _without_name(labels) if only is None or one[0] in only)

    there = {key(labels): value for labels, value in right.items()}
    match op:
        case "and":
            return {labels: value for labels, value in left.items() if key(labels) in there}
        case "unless":
            return {labels: value for labels, value in left.items() if key(labels) not in there}
        case "or":
            mine = {key(labels) for labels in left}
            return left | {labels: value for labels, value in right.items() if key(labels) not in mine}
    pairs = {labels: (value, there[key(labels)]) for labels, value in left.items() if key(labels) in there}
    if op in _COMPARISON:
        return {labels: pair[0] for labels, pair in pairs.items() if _COMPARISON[op](*pair)}
    return {_without_name(labels): _ARITHMETIC[op](*pair) for labels, pair in pairs.items()}


def _call(expr: promql.Call, over: Series, at: float) -> Vector | float:
    name, args = str(expr.func.name), list(expr.args)
    match name:
        case "time":
            return at
        case "vector":
            number = evaluate(args[0], over=over, at=at)
            assert isinstance(number, float)
            return {frozenset(): number}
        case "absent":
            return {} if evaluate(args[0], over=over, at=at) else {frozenset(): 1.0}
        case "rate" | "increase" | "delta":
            return _change(name, args[0], over, at)
        case "max_over_time":
            return {labels: max(values) for labels, values in _steps(args[0], over, at).items()}
        case "histogram_quantile":
            return _quantile(evaluate(args[0], over=over, at=at), evaluate(args[1], over=over, at=at))
    raise ValueError(f"this test knows no {name}(): teach it in tests/promql.py")


def _steps(subquery: promql.SubqueryExpr, over: Series, at: float) -> dict[Labels, list[float]]:
    assert subquery.step is not None
    assert subquery.range is not None
    step, span = subquery.step.total_seconds(), subquery.range.total_seconds()
    found: dict[Labels, list[float]] = {}
    moment = math.floor(at / step) * step
    while moment > at - span and moment >= 0:
        inner = evaluate(subquery.expr, over=over, at=moment)
        assert isinstance(inner, dict)
        for labels, value in inner.items():
            found.setdefault(labels, []).append(value)
        moment -= step
    return found


def _change(name: str, matrix: promql.MatrixSelector, over: Series, at: float) -> Vector:
    """As Prometheus extrapolates: to the ends of the span where samples reach near them."""
    span = matrix.range.total_seconds()
    found: Vector = {}
    for labels, samples in over.select(matrix.vector_selector, since=at - span, until=at).items():
        if len(samples) < 2:
            continue
        change = samples[-1].value - samples[0].value
        if name != "delta":
            change += sum(a.value for a, b in itertools.pairwise(samples) if b.value < a.value)
        sampled = samples[-1].at - samples[0].at
        each = sampled / (len(samples) - 1)
        start, end = samples[0].at - (at - span), at - samples[-1].at
        if name != "delta" and change > 0 and samples[0].value >= 0:
            start = min(start, sampled * samples[0].value / change)
        start = start if start < each * 1.1 else each / 2
        end = end if end < each * 1.1 else each / 2
        change *= (sampled + start + end) / sampled
        found[_without_name(labels)] = change / span if name == "rate" else change
    return found


def _quantile(share: Vector | float, buckets: Vector | float) -> Vector:
    assert isinstance(share, float)
    assert isinstance(buckets, dict)
    groups: dict[Labels, list[tuple[float, float]]] = {}
    for labels, count in buckets.items():
        named = dict(labels)
        upper = float(named.pop("le"))
        groups.setdefault(frozenset(one for one in named.items() if one[0] != NAME), []).append((upper, count))
    found: Vector = {}
    for labels, pairs in groups.items():
        pairs.sort()
        rank = share * pairs[-1][1]
        place = next((number for number, (_, count) in enumerate(pairs) if count >= rank), len(pairs) - 1)
        lower, below = pairs[place - 1] if place else (0.0, 0.0)
        upper, count = pairs[place]
        found[labels] = (
            math.nan if not pairs[-1][1] else lower if math.isinf(upper)
            else lower + (upper - lower) * (rank - below) / (count - below)
        )  # fmt: skip
    return found
