"""What a request may say: decoding of form parameters, and the checks that run before anything executes.

Nothing is ignored silently: an unknown parameter is refused as Stripe does, one that Stripe knows and the
simulator has no behaviour for is refused with `not_simulated`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from .errors import StripeError, invalid_parameter, missing_parameter, not_simulated, unknown_parameter

METADATA_KEYS = 50
METADATA_KEY_LENGTH = 40
METADATA_VALUE_LENGTH = 500
RANGE_BOUNDS = frozenset({"gt", "gte", "lt", "lte"})
DEEPEST_EXPANSION = 4
# Object -> what of it can be expanded -> which object that is.
EXPANDABLE: dict[str, dict[str, str]] = {
    "payment_intent": {"customer": "customer", "latest_charge": "charge", "payment_method": "payment_method"},
    "charge": {
        "balance_transaction": "balance_transaction",
        "customer": "customer",
        "payment_intent": "payment_intent",
    },
    "payment_method": {"customer": "customer"},
    "refund": {
        "balance_transaction": "balance_transaction",
        "charge": "charge",
        "failure_balance_transaction": "balance_transaction",
        "payment_intent": "payment_intent",
    },
    "dispute": {"charge": "charge", "payment_intent": "payment_intent"},
    "balance_transaction": {"source": "source"},
    # Whichever object it is.
    "source": {"charge": "charge", "customer": "customer", "payment_intent": "payment_intent"},
}


class Kind(Enum):
    """The type of a parameter."""

    STRING = auto()
    INTEGER = auto()
    BOOLEAN = auto()
    STRINGS = auto()
    METADATA = auto()
    HASH = auto()
    RANGE = auto()  # a timestamp, or bounds of one
    EXPAND = auto()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; `only` lists the values that have a behaviour here."""

    kind: Kind = Kind.STRING
    required: bool = False
    only: tuple[str, ...] = ()
    longest: int | None = None
    inner: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parameters:
    """All parameters of an endpoint. `unsimulated`: Stripe's others. `withdrawn`: name -> Stripe's code."""

    simulated: Mapping[str, Parameter]
    unsimulated: frozenset[str] = frozenset()
    withdrawn: Mapping[str, str] = field(default_factory=dict)


def decode(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return nested values for form pairs: `a[b]=1` is `{"a": {"b": "1"}}`, lists keep their indices."""
    decoded: dict[str, Any] = {}
    for name, value in pairs:
        if "[" not in name:
            decoded[name] = value
            continue
        head, _, rest = name.partition("[")
        keys = [head, *rest.removesuffix("]").split("][")]
        place = decoded
        for key in keys[:-1]:
            deeper = place.setdefault(key, {})
            if not isinstance(deeper, dict):
                raise invalid_parameter(f"Invalid parameter: {name}", param=name)
            place = deeper
        place[keys[-1] or str(len(place))] = value
    return decoded


def check(parameters: Parameters, sent: Mapping[str, Any], *, answer: str) -> dict[str, Any]:
    """Return the parameters with their types, or raise StripeError (never stored under a key).

    `answer`: the object whose properties may be expanded, `data.charge` where it comes in a list.
    """
    for name in sent:
        if name in parameters.simulated:
            continue
        if code := parameters.withdrawn.get(name):
            raise invalid_parameter(f"The `{name}` parameter is no longer supported.", param=name, code=code)
        raise not_simulated(name) if name in parameters.unsimulated else unknown_parameter(name)
    checked = _check_level(parameters.simulated, sent, prefix="")
    for path in checked.get("expand", ()):
        _check_expansion(path, answer=answer)
    return checked


def _check_level(allowed: Mapping[str, Parameter], sent: Mapping[str, Any], *, prefix: str) -> dict[str, Any]:
    for name in sent:
        if name not in allowed:
            raise unknown_parameter(f"{prefix}[{name}]")
    for name, parameter in allowed.items():
        if parameter.required and name not in sent:
            raise missing_parameter(f"{prefix}[{name}]" if prefix else name)
    return {
        name: _convert(allowed[name], value, name=f"{prefix}[{name}]" if prefix else name)
        for name, value in sent.items()
    }


def _convert(parameter: Parameter, value: Any, *, name: str) -> Any:
    if parameter.kind in {Kind.STRING, Kind.INTEGER, Kind.BOOLEAN}:
        return _convert_scalar(parameter, value, name=name)
    if parameter.kind is Kind.RANGE and isinstance(value, str):
        return {"gte": _integer(value, name=name), "lte": _integer(value, name=name)}
    if parameter.kind is Kind.METADATA and value == "":
        return {}
    if not isinstance(value, dict):
        raise _wrong_type("object" if parameter.kind is not Kind.STRINGS else "array", name=name)
    match parameter.kind:
        case Kind.METADATA:
            return _metadata(value)
        case Kind.RANGE:
            if unknown := set(value) - RANGE_BOUNDS:
                raise unknown_parameter(f"{name}[{unknown.pop()}]")
            return {bound: _integer(moment, name=f"{name}[{bound}]") for bound, moment in value.items()}
        case Kind.STRINGS | Kind.EXPAND:
            return list(value.values())
        case _:
            return _check_level(parameter.inner, value, prefix=name)


def _convert_scalar(parameter: Parameter, value: Any, *, name: str) -> str | int | bool:
    if not isinstance(value, str):
        raise _wrong_type("string", name=name)
    if value == "":
        raise invalid_parameter(
            f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a "
            f"parameter; however '{name}' cannot be unset.",
            param=name,
            code="parameter_invalid_empty",
        )
    if parameter.kind is Kind.INTEGER:
        return _integer(value, name=name)
    if parameter.kind is Kind.BOOLEAN:
        if value not in {"true", "false"}:
            raise invalid_parameter(f"Invalid boolean: {value}", param=name)
        return value == "true"
    if parameter.only and value not in parameter.only:
        raise not_simulated(f"{name}={value}")
    if parameter.longest and len(value) > parameter.longest:
        message = f"Invalid {name}: must be at most {parameter.longest} characters"
        raise invalid_parameter(message, param=name, code="parameter_invalid_string_too_long")
    return value


def _integer(value: Any, *, name: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        message = f"Invalid integer: {value}"
        raise invalid_parameter(message, param=name, code="parameter_invalid_integer") from None


def _metadata(value: Mapping[str, Any]) -> dict[str, str]:
    if len(value) > METADATA_KEYS:
        raise invalid_parameter(f"You can only have {METADATA_KEYS} metadata keys.", param="metadata")
    for key, text in value.items():
        if not isinstance(text, str):
            raise _wrong_type("string", name=f"metadata[{key}]")
        if len(key) > METADATA_KEY_LENGTH or len(text) > METADATA_VALUE_LENGTH:
            message = f"Metadata keys can have up to {METADATA_KEY_LENGTH} characters, values {METADATA_VALUE_LENGTH}."
            raise invalid_parameter(message, param="metadata")
    return dict(value)


def _check_expansion(path: Any, *, answer: str) -> None:
    """Each step must lead from one object to another; checked before anything executes, so that nothing is charged."""
    steps = path.split(".") if isinstance(path, str) else []
    *inside, about = answer.split(".")
    known = steps[: len(inside)] == inside and len(inside) < len(steps) <= DEEPEST_EXPANSION
    for step in steps[len(inside) :]:
        about = EXPANDABLE.get(about, {}).get(step, "")
    if not known or not about:
        raise invalid_parameter(f"This property cannot be expanded ({path}).", param="expand")


def _wrong_type(wanted: str, *, name: str) -> StripeError:
    return invalid_parameter(f"Invalid {wanted}", param=name)
