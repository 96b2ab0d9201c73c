"""Every command that answers a person keeps the same manners: help with examples, --json, dry runs, exit codes."""

import re
import shlex
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.db import OperationalError

from payments.management.terminal import (
    CODES,
    LASTING_CODES,
    STOPPED_WHILE_ACTING,
    AnsweringCommand,
    ExplainedCommand,
    judge,
)

ROOT = Path(__file__).resolve().parents[2]
OURS = sorted(name for name, app in get_commands().items() if app in ("payments", "bridge", "billing_project"))
# They run until they are stopped, and answer nobody.
LASTING = ["bridge", "relay"]
ANSWERING = sorted(set(OURS) - set(LASTING))
# They only look. A statement keeps what it has read, which nothing is done with but to show it.
LOOKING = {"audit", "audit_offsets", "doctor", "explain", "statement"}
# What the others need beside --dry-run, with each of their actions that changes something.
CHANGING: list[tuple[str, list[str]]] = [
    ("close", ["x"]), ("drain", ["--reason", "x"]), ("forget_user", ["x"]), ("import_payments", ["x"]),
    ("notify", ["x"]), ("parked", ["replay", "1"]), ("parked", ["dismiss", "1"]), ("pause", ["--reason", "x"]),
    ("prune", []),
    ("reconcile", ["--from", "1h"]), ("refund", ["x"]), ("reissue", ["x"]), ("replay_failed", []), ("resume", []),
    ("rewind", ["--to", "earliest"]), ("staff", ["add", "x", "--group", "Lead"]), ("staff", ["reset-two-factor", "x"]),
    ("staff", ["unlock", "x"]), ("staff_groups", []), ("topics", []),
]  # fmt: skip
# They change nothing of a payment's, or their settings are the reason, so nobody is asked for one.
WITHOUT_REASON = {"prune", "resume", "staff", "staff_groups", "topics"}
EACH = pytest.mark.parametrize("name", ANSWERING)


def parser(name: str) -> Any:
    """What the command line of this command is read with."""
    return load_command_class(get_commands()[name], name).create_parser("manage.py", name)


def test_all_commands_have_these_manners() -> None:
    """Whoever adds one is told."""
    for name in ANSWERING:
        assert isinstance(load_command_class(get_commands()[name], name), AnsweringCommand), name
    assert {name for name, _ in CHANGING} == set(ANSWERING) - LOOKING


@pytest.mark.parametrize("name", OURS)
def test_help_has_examples_that_are_understood_and_the_exit_codes(name: str) -> None:
    """They are copied at night."""
    assert isinstance(load_command_class(get_commands()[name], name), ExplainedCommand)
    text = parser(name).format_help()
    examples = re.findall(rf"^  manage\.py {name}(.*)$", text.partition("\nexamples:\n")[2], re.MULTILINE)
    assert examples
    for example in examples:
        options = shlex.split(re.split(r" {2,}| \|", example)[0])
        parser(name).parse_args(options)
    assert (LASTING_CODES if name in LASTING else CODES) in text


def test_the_readme_lists_every_command_that_answers() -> None:
    """In its table; the others are processes."""
    table = (ROOT / "README.md").read_text().partition("| `python manage.py …` |")[2].partition("\n\n")[0]
    listed = [name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.partition(" | ")[0])]
    assert sorted(listed) == ANSWERING


@EACH
def test_each_answers_in_json(name: str) -> None:
    """Where it has steps, each of them."""
    [file] = ROOT.glob(f"*/management/commands/{name}.py")
    text = file.read_text()
    assert "add_json(" in text
    assert "self.answer(" in text
    assert "stdout.write(json" not in text


@pytest.mark.parametrize(("name", "needed"), CHANGING)
def test_each_that_changes_something_can_be_asked_what_it_would_do(name: str, needed: list[str]) -> None:
    """`--dry-run`, also where that is the default; and told why, where a payment's history keeps it."""
    options = vars(parser(name).parse_args([*needed, "--dry-run"]))
    assert options["dry_run"] is True
    assert ("reason" in options) == (name not in WITHOUT_REASON)


class Ends(AnsweringCommand):
    """A command that ends in whatever way it is told."""

    def handle(self, *args: Any, **options: Any) -> None:
        """As it is told."""
        match options["end"]:
            case "refused":
                raise CommandError("it is closed")
            case "finding":
                self.answer(options, document={"found": 1}, lines=["1 found"], code=3)
            case "finding with a word":
                self.answer(options, document={"found": 1}, lines=["1 found"])
                raise CommandError("1 is open", returncode=3)
            case "ctrl-c":
                raise KeyboardInterrupt
            case "no database":
                raise OperationalError("password authentication failed for user")

    def add_arguments(self, parser: Any) -> None:
        """How to end."""
        parser.add_argument("end")
        parser.add_argument("--dry-run", action="store_true")
        parser.add_argument("--json", action="store_true")


@pytest.mark.parametrize(
    ("end", "code", "line", "document"),
    [
        ("refused", 1, "it is closed", '{"error": "it is closed"}\n'),
        ("finding", 3, "", '{"found": 1}\n'),
        ("finding with a word", 3, "1 is open", '{"found": 1}\n'),
        ("ctrl-c", 130, STOPPED_WHILE_ACTING, f'{{"error": "{STOPPED_WHILE_ACTING}"}}\n'),
        (
            "no database", 1, "the database does not answer (DATABASE_URL)",
            '{"error": "the database does not answer (DATABASE_URL)"}\n',
        ),
    ],
)  # fmt: skip
def test_however_a_command_ends_there_is_one_document_one_line_and_one_exit_code(
    end: str, code: int, line: str, document: str
) -> None:
    """For scripts and for people; nothing of what a driver says, as it may name more than it should."""
    out = StringIO()
    with pytest.raises((CommandError, SystemExit)) as ended:
        call_command(Ends(), end, "--json", stdout=out)
    error: Any = ended.value
    assert out.getvalue() == document
    if isinstance(error, CommandError):
        assert (error.returncode, str(error)) == (code, line)
    else:
        assert (error.code, line) == (code, "")


def test_ctrl_c_of_a_dry_run_has_changed_nothing() -> None:
    """And says so."""
    with pytest.raises(CommandError, match="stopped before anything was changed") as ended:
        call_command(Ends(), "ctrl-c", "--dry-run")
    assert ended.value.returncode == 130


def test_a_wrong_option_is_exit_code_2() -> None:
    """argparse's own; nothing on stdout, no traceback."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.placeholders", "manage.py", "audit", "--jsom"], cwd=ROOT, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(("done", "refused", "code"), [(2, 0, 0), (1, 1, 3), (0, 2, 1), (0, 0, 1)])
def test_of_many_the_exit_code_says_whether_all_some_or_none_were_done(done: int, refused: int, code: int) -> None:
    """One table for all commands."""
    assert judge(done=done, refused=refused) == code
