"""Documents and deployment files say what the code does: whoever changes one of them is told about the other."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from celery.bin.celery import celery as celery_commands
from django.apps import apps
from django.core.management import get_commands, load_command_class
from jsonschema import Draft202012Validator
from pydantic import SecretStr

from billing_project.dev.demo.events import README_EXAMPLE
from billing_project.env import Env
from bridge import schema
from payments import notifications
from payments.intake import PaymentRequest
from payments.notifications import Told
from tests import compose
from tests.documents.blocks import PAGES
from tests.unit import environment

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def section(heading: str) -> str:
    """What stands in the README below a heading, up to the next one."""
    return README.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading of the README."""
    lines = [line for line in section(heading).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def defaults() -> dict[str, str]:
    """Each setting's default, as an operator would write it."""
    found = {}
    for name, field in Env.model_fields.items():
        value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
        text = (
            ",".join(value) if isinstance(value, list) else json.dumps(value) if isinstance(value, bool) else str(value)
        )
        found[name.upper()] = "required" if field.is_required() else "none" if value in (None, "", [], {}) else text
    return found


def test_the_readme_lists_every_setting_with_its_true_default() -> None:
    """And none that isn't there."""
    assert {row[0].strip("`"): row[1].strip("`") for row in rows("Configuration")} == defaults()


def test_the_template_lists_every_setting_with_its_true_default() -> None:
    """Required ones are left open; the others are commented out, so that a later default is not held back."""
    lines = re.findall(r"^(# )?([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    found = {name: (bool(hidden), value) for hidden, name, value in lines if name != "POSTGRES_PASSWORD"}
    assert found == {
        name: (False, "") if value == "required" else (True, "" if value == "none" else value)
        for name, value in defaults().items()
    }


def test_the_template_as_it_is_asks_for_what_is_required_and_for_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever copies it is told what to fill in."""
    environment.put(monkeypatch, tmp_path)
    for name in environment.GOOD:
        monkeypatch.delenv(name)
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text())
    assert [line.split(":")[0] for line in environment.problems()] == list(environment.GOOD)


def examples() -> list[bytes]:
    """The JSON examples of the README: what comes in, what goes out."""
    return [text.encode() for text in re.findall(r"```json\n(.*?)\n```", section("The two events"), re.DOTALL)]


def validate(value: bytes, name: str) -> None:
    """Against the schema that is published for the event."""
    rules: dict[str, Any] = json.loads((ROOT / "docs" / "events" / f"{name}.schema.json").read_text())
    Draft202012Validator(rules).validate(json.loads(value))


def test_the_example_of_the_event_in_is_understood() -> None:
    """100 tenge are 10,000 minor units; the demo feeds the same event."""
    incoming, _ = examples()
    validate(incoming, "payment.createInitial")
    wish = schema.decode(value=incoming, headers=(), price_unit="major")
    assert isinstance(wish, PaymentRequest)
    assert (wish.subscription, wish.amount, wish.currency, wish.payment_method) == ("sub_1", 10_000, "KZT", "pm_1")
    assert json.loads(incoming) == README_EXAMPLE


def test_the_example_of_the_event_out_is_what_is_published_byte_for_byte() -> None:
    """As the payment that the other example asks for."""
    _, outgoing = examples()
    validate(outgoing, "notification.paying")
    told = Told(
        payment=notifications.payment_id(subscription="sub_1", number=1), subscription="sub_1",
        user={"id": "u_1", "email": "a@b.kz"}, price=Decimal(100), currency="KZT", status="success",
        transaction=json.loads(outgoing)["payment"]["transactionId"], created_at=datetime(2026, 1, 31, 12, tzinfo=UTC),
        metadata={"attempt": 1},
    )  # fmt: skip
    assert notifications.body(told) == outgoing


@PAGE
def test_every_link_leads_somewhere(page: Path) -> None:
    """Files and headings; what is on the web isn't asked."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("https://"):
            continue
        path, _, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}, target


@PAGE
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    """Also those that `make help` can't show."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z0-9-]+)", page.read_text())) <= targets


def test_where_to_change_what_names_files() -> None:
    """Each row leads to at least one; that they exist is asked of every link."""
    for what, where in rows("Where to change what"):
        assert re.search(r"\]\([\w./-]+\)", where), what


def test_the_layout_shows_folders_that_exist() -> None:
    """An indented one is inside the one above it."""
    shown = re.findall(r"^( *)([\w/]+/) ", section("How it is laid out"), re.MULTILINE)
    parent = ""
    for indent, name in shown:
        parent = parent if indent else name
        assert (ROOT / parent / name if indent else ROOT / name).is_dir(), name
    assert len(shown) > 5


def commands_of(page: Path) -> Iterator[list[str]]:
    """Our own command lines in a document, inline and in blocks."""
    text = page.read_text()
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    lines = [line.strip().partition(" #")[0] for line in blocks.splitlines()] + re.findall(r"`([^`\n]+)`", text)
    for line in lines:
        if re.match(r"(python manage\.py|celery -A|gunicorn) ?\w", line):
            yield shlex.split(line)
        elif " run --rm web " in line:
            yield shlex.split(line.partition(" web ")[2])


def compose_commands() -> dict[str, list[str]]:
    """The command of each service of the compose file that is ours."""
    services = compose.read(variables={}).values()
    return {one.name: one.command for one in services if one.raw["image"].startswith("billing-payments:")}


def check(command: list[str]) -> None:
    """It names a command or module that exists, with options that it takes."""
    match command:
        case ["python", "manage.py", name, *options]:
            found = load_command_class(get_commands()[name], name)
            found.create_parser("manage.py", name).parse_args(options)
        case ["celery", "-A", app, name]:
            assert import_module(f"{app}.celery").app
            assert name in celery_commands.commands
        case ["gunicorn", module, *options]:
            assert import_module(module).application
            import_module("gunicorn.config").Config().parser().parse_args([module, *options])
        case _:
            pytest.fail(f"no command of ours: {command}")


@PAGE
def test_every_command_that_is_named_exists(page: Path) -> None:
    """With the options that are written beside it."""
    for command in commands_of(page):
        check(command)


def test_the_deployment_files_start_what_exists() -> None:
    """The compose file's services, and the image's own command."""
    services = compose_commands()
    assert set(services) == {"migrate", "topics", "bridge", "worker", "beat", "relay", "web"}
    for command in services.values():
        check(command)
    check(json.loads(DOCKERFILE.rsplit("\nCMD ", 1)[1]))


def test_the_compose_file_starts_every_process_of_the_readme() -> None:
    """By the same command, perhaps with options."""
    services = compose_commands()
    for name, command, _ in rows("The processes"):
        words = shlex.split(command.strip("`"))
        assert services[name][: len(words)] == words


def test_queries_for_operators_name_tables_and_columns_that_exist() -> None:
    """They are pasted at night."""
    tables = {model._meta.db_table: {field.column for field in model._meta.fields} for model in apps.get_models()}
    queries = re.findall(
        r"^SELECT (.*) FROM (\w+) WHERE (\w+)", (ROOT / "docs/operations.md").read_text(), re.MULTILINE
    )
    assert queries
    for columns, table, condition in queries:
        assert {*columns.split(", "), condition} <= tables[table]


def test_a_decision_has_its_four_parts_and_one_screen() -> None:
    """Short enough to be read."""
    for page in (ROOT / "docs" / "decisions").glob("*.md"):
        text = page.read_text()
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == "Context Decision Consequences Alternatives".split()
        assert text.startswith(f"# {int(page.name[:4])}. ")
        assert len(text.splitlines()) <= 50


def test_the_changelog_knows_the_version() -> None:
    """And has a place for what comes next."""
    changes = re.findall(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert changes[0] == "Unreleased"
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] in changes
