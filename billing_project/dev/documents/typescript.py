"""docs/events/events.d.ts: the events as TypeScript types, from their JSON Schemas.

It knows as much of JSON Schema as ours use; a keyword that it doesn't know is an error, so that nothing is left out
without a word. What types can't say (patterns, bounds, what depends on the status) is in the schemas alone.
"""

import json
from pathlib import Path
from textwrap import wrap
from typing import Any

from billing_project.dev.documents.asyncapi import CLOUD_EVENTS, EVENTS

Schema = dict[str, Any]

HEAD = """\
// Made by `make docs` from the JSON Schemas beside it, which say more than types can: change those.
"""

SIMPLE = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
# Keywords that say how a value looks, not of what type it is.
UNSAID = {
    "$id", "$schema", "title", "description", "examples", "$defs", "pattern", "minLength", "maxLength", "minimum",
    "exclusiveMinimum", "not", "allOf", "oneOf",
}  # fmt: skip
SAID = {"type", "$ref", "enum", "const", "anyOf", "properties", "required", "additionalProperties"}
WIDTH = 110


def text(*, schemas: Path) -> str:
    """The whole file."""
    found = {event: json.loads((schemas / f"{event}.schema.json").read_text()) for event in EVENTS}
    parts = [_Types(event, schema).interfaces() for event, schema in found.items()]
    return HEAD + "\n" + "\n".join([*parts, _headers()])


def _headers() -> str:
    lines = ["/** Of the events that we send, as text. KafkaJS hands them over as buffers. */"]
    lines.append("export interface EventHeaders {")
    for name, about in CLOUD_EVENTS.items():
        optional = "?" if name == "traceparent" else ""
        lines += [*_comment(about, "  "), f"  {json.dumps(name) if '-' in name else name}{optional}: string;"]
    return "\n".join([*lines, "}", ""])


class _Types:
    """The types of one event: its object, and each object of its `$defs`, by name."""

    def __init__(self, event: str, schema: Schema) -> None:
        self._schema = schema
        self._name = _capital(event)
        self._objects = [name for name, one in schema.get("$defs", {}).items() if one.get("type") == "object"]

    def interfaces(self) -> str:
        named = {self._name: self._schema} | {
            self._name + _capital(name): self._schema["$defs"][name] for name in self._objects
        }
        return "\n".join(self._interface(name, schema) for name, schema in named.items())

    def _interface(self, name: str, schema: Schema) -> str:
        lines = [*_comment(schema.get("description", ""), ""), f"export interface {name} {self._body(schema, '')}", ""]
        return "\n".join(lines)

    def _body(self, schema: Schema, indent: str) -> str:
        required, inner = schema.get("required", []), indent + "  "
        lines = ["{"]
        for name, one in schema["properties"].items():
            optional = "" if name in required else "?"
            if one is False:
                lines.append(f"{inner}{name}?: never;")
                continue
            lines += [
                *_comment(one.get("description", ""), inner),
                f"{inner}{name}{optional}: {self._type(one, inner)};",
            ]
        if schema.get("additionalProperties", True):
            lines.append(f"{inner}[field: string]: unknown;")
        return "\n".join([*lines, indent + "}"])

    def _type(self, schema: Schema, indent: str) -> str:
        if unknown := set(schema) - SAID - UNSAID:
            raise AssertionError(f"{self._name}: teach {__name__} about {unknown}")
        match schema:
            case {"const": value}:
                return json.dumps(value)
            case {"enum": values}:
                return " | ".join(json.dumps(value) for value in values)
            case {"anyOf": choices}:
                return " | ".join(self._type(one, indent) for one in choices)
            case {"type": "object"}:
                return self._body(schema, indent)
            case {"type": list(names)}:
                return " | ".join(SIMPLE[name] for name in names)
            case {"type": str(name)}:
                return SIMPLE[name]
            case {"$ref": str(place)}:
                name = place.removeprefix("#/$defs/")
                return self._name + _capital(name) if name in self._objects else self._type(self._defined(name), indent)
        raise AssertionError(f"{self._name}: no type for {schema}")

    def _defined(self, name: str) -> Schema:
        found: Schema = self._schema["$defs"][name]
        return found


def _capital(name: str) -> str:
    """`payment.createInitial` is PaymentCreateInitial."""
    return "".join(part[0].upper() + part[1:] for part in name.split("."))


def _comment(about: str, indent: str) -> list[str]:
    if not about:
        return []
    lines = wrap(about, WIDTH - len(indent) - 6)
    if len(lines) == 1:
        return [f"{indent}/** {lines[0]} */"]
    return [f"{indent}/**", *(f"{indent} * {line}" for line in lines), f"{indent} */"]
