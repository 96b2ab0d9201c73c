"""The documents that neighbours' tools read: the types are TypeScript and fit the schemas, AsyncAPI is AsyncAPI."""

import json
import subprocess
from pathlib import Path

import yaml
from jsonschema import Draft7Validator

from billing_project.dev.documents.asyncapi import EVENTS
from tests.documents.blocks import ROOT

FOLDER = ROOT / "docs" / "events"
PACKAGES = ROOT / "docs" / "examples" / "nestjs" / "node_modules"
TYPES = {"payment.createInitial": "PaymentCreateInitial", "notification.paying": "NotificationPaying"} | {
    "payment.refunded": "PaymentRefunded"
}
# Neither is an event: the compiler has to say so.
WRONG = {
    "PaymentCreateInitial": {"subId": "sub_1", "user": {"id": "u_1", "email": "a@b.kz"}},
    "NotificationPaying": {"payment": {"status": "paid"}, "user": {"id": "u_1", "email": "a@b.kz"}},
}


def test_the_examples_of_the_schemas_are_of_the_types_and_what_is_no_event_is_of_none(tmp_path: Path) -> None:
    """To the last field: one that is missing, or a status that there isn't, is an error of the compiler's."""
    lines = [f"import type {{ {', '.join(TYPES.values())} }} from '{(FOLDER / 'events').as_posix()}';"]
    for event in EVENTS:
        for example in json.loads((FOLDER / f"{event}.schema.json").read_text())["examples"]:
            lines.append(f"export const value{len(lines)}: {TYPES[event]} = {json.dumps(example)};")
    assert len(lines) > len(EVENTS)
    for name, value in WRONG.items():
        # The directive is itself an error where the line below it is none.
        lines += ["// @ts-expect-error", f"export const value{len(lines)}: {name} = {json.dumps(value)};"]
    file = tmp_path / "values.ts"
    file.write_text("\n".join(lines))
    tsc = [str(PACKAGES / ".bin" / "tsc"), "--noEmit", "--strict", str(file)]
    compiled = subprocess.run(tsc, cwd=tmp_path, capture_output=True, text=True)
    assert compiled.stdout == ""


def test_the_asyncapi_document_is_one() -> None:
    """By the schema that AsyncAPI publishes for its version."""
    document = yaml.safe_load((FOLDER / "asyncapi.yaml").read_text())
    file = PACKAGES / "@asyncapi" / "specs" / "schemas" / f"{document['asyncapi']}-without-$id.json"
    problems = Draft7Validator(json.loads(file.read_text())).iter_errors(document)
    assert [f"{list(one.absolute_path)}: {one.message}" for one in problems] == []
