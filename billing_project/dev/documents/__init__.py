"""`make docs`: the documents that are made from code and schemas, so that they can't say something else.

Each module gives one text; a test says which of them is out of date.
"""

from pathlib import Path

from billing_project.dev.documents import asyncapi, states, typescript

ROOT = Path(__file__).resolve().parents[3]


def texts() -> dict[Path, str]:
    """Every document that is made, by its path."""
    events = ROOT / "docs" / "events"
    return {
        ROOT / "docs" / "states.md": states.text(),
        events / "asyncapi.yaml": asyncapi.text(schemas=events),
        events / "events.d.ts": typescript.text(schemas=events),
    }
