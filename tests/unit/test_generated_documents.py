"""What `make docs` makes is what is in the project, and fits the code that it tells of."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.db.models import TextChoices

from billing_project.dev.documents import ROOT, asyncapi, states, texts
from billing_project.env import Env
from payments.charging.arrows import ARROWS, STATUS_ARROWS
from payments.models import Attempt, Payment, Refund

DOCUMENTS = texts()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_that_is_made_is_up_to_date(path: Path) -> None:
    """After a change of tables, sentences or schemas: `make docs`."""
    assert path.read_text() == DOCUMENTS[path], "run `make docs`"


def test_the_states_are_those_of_the_models() -> None:
    """Each has its line, and none is told that isn't there."""
    known: dict[str, type[TextChoices]] = {"Payment": Payment.Status, "Attempt": Attempt.State, "Refund": Refund.State}
    for machine in states.MACHINES:
        assert set(machine.states) == {str(state) for state in known[machine.title]}, machine.title


def test_every_arrow_has_its_line_and_is_drawn() -> None:
    """In words and in the picture."""
    page = DOCUMENTS[ROOT / "docs" / "states.md"]
    for table in (STATUS_ARROWS, ARROWS):
        for source, targets in table.items():
            for target in targets - {source}:
                assert re.search(rf"^\| `{source}` \| `{target}` \| \S", page, re.MULTILINE), (source, target)
                assert f"\n    {source} --> {target}\n" in page


def document() -> dict[str, Any]:
    """The AsyncAPI document, as tools read it."""
    found: dict[str, Any] = yaml.safe_load(DOCUMENTS[ROOT / "docs" / "events" / "asyncapi.yaml"])
    return found


def test_the_channels_are_the_topics_of_the_settings() -> None:
    """By their default names; the topic of refunds has none."""
    topics = {field.default for name, field in Env.model_fields.items() if name.startswith("kafka_topic_")}
    assert set(document()["channels"]) == {topic for topic in topics if topic} | {"payment.refunded"}


def test_every_reference_of_the_document_leads_somewhere() -> None:
    """To a part of itself, or to a schema beside it."""
    text = DOCUMENTS[ROOT / "docs" / "events" / "asyncapi.yaml"]
    places = re.findall(r"\$ref: '?([^'\n]+)", text)
    assert len(places) > 10
    for place in places:
        if place.startswith("./"):
            assert (ROOT / "docs" / "events" / place).exists(), place
            continue
        found: Any = document()
        for part in place.removeprefix("#/").split("/"):
            found = found[part]


def test_the_headers_of_a_dead_letter_are_those_that_are_written() -> None:
    """Read from where they are written, as nothing else knows them."""
    source = (ROOT / "payments" / "outbox" / "letters.py").read_text()
    assert set(asyncapi.LETTER) == set(re.findall(r'"((?:original|exception)-[a-z-]+)":', source))
