"""docs/events/asyncapi.yaml: the four topics as an AsyncAPI 3 document, around the events' JSON Schemas."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml

from payments import notifications

HEAD = "# Made by `make docs` from the schemas beside it: change those, or billing_project/dev/documents/asyncapi.py.\n"

# Ours are of a newer draft than AsyncAPI's own; tools that don't know it show the schema as it stands.
DRAFT = "application/schema+json;version=draft-2020-12"
EVENTS = ("payment.createInitial", "notification.paying", "payment.refunded")
TRACE = "W3C Trace Context; goes on from the event that came in to the notification that goes out."

# What each header that we write is for.
CLOUD_EVENTS = {
    "ce_id": "The stable id of this notification, the same at each delivery. Drop one that you know.",
    "ce_type": "Which event it is.",
    "ce_source": "Who tells it.",
    "ce_specversion": "CloudEvents, binary mode.",
    "ce_time": "When the outcome was settled.",
    "content-type": "Of the value.",
    "traceparent": TRACE,
}
INCOMING = {
    "ce_id": "The producer's id of the event; one that is known is a duplicate.",
    "event-id": "The same, for producers that don't speak CloudEvents.",
    "traceparent": TRACE,
}
LETTER = {
    "original-topic": "string",
    "original-partition": "32-bit integer, big-endian",
    "original-offset": "64-bit integer, big-endian",
    "original-timestamp": "64-bit integer, big-endian: milliseconds since 1970",
    "original-consumer-group": "string",
    "exception-fqcn": "string: the verdict, conflict or invalid",
    "exception-message": "string: what is wrong, with the field",
}


def text(*, schemas: Path) -> str:
    """The whole document, with the schemas by reference."""
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Billing payments",
            "version": "1.0.0",
            "description": "Charges the initial payment of a subscription: one event in, one notification for each "
            "outcome out. Values are bare JSON objects in UTF-8, without an envelope; delivery is at least once.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {"host": "{broker}", "protocol": "kafka", "variables": {"broker": {"description": "KAFKA_BROKER"}}}
        },
        "channels": _channels(),
        "operations": _operations(),
        "components": {"messages": {name: _message(name, schemas=schemas) for name in EVENTS} | {"parked": _parked()}},
    }
    return HEAD + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def _channels() -> dict[str, Any]:
    about = {
        "payment.createInitial": "Asks for the initial payment of a subscription. Setting: KAFKA_TOPIC_PAYMENTS.",
        "notification.paying": "How a payment stands. Setting: KAFKA_TOPIC_NOTIFICATIONS.",
        "payment.refunded": "Money that went back, and disputes; only where KAFKA_TOPIC_REFUNDS is set.",
        "payment.createInitial.dlt": "Records that were parked, as they came. Setting: KAFKA_TOPIC_DEAD_LETTERS.",
    }
    return {
        topic: {
            "address": topic,
            "description": description,
            "messages": {_message_of(topic): {"$ref": f"#/components/messages/{_message_of(topic)}"}},
        }
        for topic, description in about.items()
    }


def _operations() -> dict[str, Any]:
    """From our side: what we receive, and what we send."""
    actions = {"charge": ("receive", "payment.createInitial"), "tell": ("send", "notification.paying")} | {
        "tellRefund": ("send", "payment.refunded"), "park": ("send", "payment.createInitial.dlt"),
    }  # fmt: skip
    return {
        name: {"action": action, "channel": {"$ref": f"#/channels/{topic}"}}
        for name, (action, topic) in actions.items()
    }


def _message_of(topic: str) -> str:
    return "parked" if topic.endswith(".dlt") else topic


def _message(event: str, *, schemas: Path) -> dict[str, Any]:
    file = f"{event}.schema.json"
    schema = json.loads((schemas / file).read_text())
    is_ours = event != "payment.createInitial"
    return {
        "name": event,
        "summary": schema["description"].partition(". ")[0] + ".",
        "headers": _written(event) if is_ours else {"type": "object", "properties": _texts(INCOMING)},
        "payload": {"schemaFormat": DRAFT, "schema": {"$ref": f"./{file}"}},
        "bindings": {"kafka": {"key": _key(is_ours=is_ours)}},
        "examples": [{"name": f"example{number}", "payload": one} for number, one in enumerate(schema["examples"], 1)],
    }


def _written(event: str) -> dict[str, Any]:
    """The headers that the code writes; one without a sentence here is an error."""
    written = notifications.headers(notification=str(UUID(int=0)), kind=event, at=datetime.now(UTC), traceparent="00")
    properties = _texts({name: CLOUD_EVENTS[name] for name in written})
    for name in ("ce_type", "ce_source", "ce_specversion", "content-type"):
        properties[name]["const"] = written[name]
    return {"type": "object", "required": [name for name in written if name != "traceparent"], "properties": properties}


def _parked() -> dict[str, Any]:
    letter = {f"kafka_dlt-{name}": {"description": about} for name, about in LETTER.items()}
    return {
        "name": "parked",
        "summary": "The value and key of a record as they came, card numbers masked, cut after 256 KiB.",
        "contentType": "application/octet-stream",
        "headers": {"type": "object", "required": [*letter], "properties": letter},
    }


def _texts(about: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {name: {"type": "string", "description": sentence} for name, sentence in about.items()}


def _key(*, is_ours: bool) -> dict[str, Any]:
    if is_ours:
        return {"type": "string", "format": "uuid", "description": "The payment's id, so that its order is kept."}
    return {"type": "string", "description": "Any or none: it says nothing to us."}
