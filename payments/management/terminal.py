"""What all commands that answer a person or a script have in common: examples, --json, dry runs, exit codes, Ctrl-C.

Must never happen: that a command which changes something does so without a reason that is kept, or that with --json
anything but one document stands on stdout. docs/operations.md has the table of exit codes.
"""

import json
import re
import signal
import threading
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter, _ActionsContainer
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError

from payments import counters

# Who it was, in histories.
WHO = "staff: command line"

DONE = 0
NOTHING = 1  # done: it was refused, or what was given can't be used; argparse ends with 2 where it isn't understood
PARTLY = 3  # a part was refused, or something was found that a person must look at
STOPPED = 130  # by Ctrl-C, as a shell calls it

CODES = "Exit codes: 0 done; 1 nothing done, and why; 2 wrong usage; 3 partly refused, or a finding; 130 Ctrl-C."
# Of those that run until they are stopped, whether by SIGTERM or by Ctrl-C.
LASTING_CODES = "Exit codes: 0 stopped; 1 only a person can help, and how, or ended by force; 2 wrong usage."
DRY = "Nothing was changed. Add --yes to act."
STOPPED_WHILE_ACTING = "stopped; the same command with --dry-run says what is left to do"


class ExplainedCommand(BaseCommand):
    """Give `help`, `examples` and the exit codes: --help shows all three."""

    examples = ""
    codes = LASTING_CODES

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """As usual, with examples and exit codes below."""
        lines = "\n".join(f"  {line}" for line in self.examples.strip().splitlines())
        epilog = f"examples:\n{lines}\n\n{self.codes}"
        return super().create_parser(
            prog_name, subcommand, epilog=epilog, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )


class AnsweringCommand(ExplainedCommand):
    """Give `help` and `examples`, and end with `answer`; a `CommandError` is one line, and exit code 1."""

    codes = CODES
    _answered = False
    _calls_before = 0

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run it; what ends it early is one line, and a document where one was asked for."""
        self._answered, self._calls_before = False, counters.calls_made()
        try:
            return super().execute(*args, **options)
        except CommandError as refused:
            self._tell(str(refused), as_json=bool(options.get("json")))
            raise
        except KeyboardInterrupt:
            text = STOPPED_WHILE_ACTING if _acts(options) else "stopped before anything was changed"
            self._tell(text, as_json=bool(options.get("json")))
            raise CommandError(text, returncode=STOPPED) from None
        except (OperationalError, InterfaceError):
            text = "the database does not answer (DATABASE_URL)"
            self._tell(text, as_json=bool(options.get("json")))
            raise CommandError(text) from None

    def answer(
        self, options: dict[str, Any], *, document: dict[str, Any], lines: Iterable[str], code: int = DONE
    ) -> None:
        """The one answer: a document for scripts or lines for people; ends the process where the code isn't 0.

        Prometheus doesn't ask commands, so they say how often they have asked Stripe.
        """
        calls = counters.calls_made() - self._calls_before
        if options["json"]:
            self._write(document | ({"stripe_calls": calls} if calls else {}))
        else:
            for line in lines:
                self.stdout.write(line)
            if calls:
                self.stderr.write(f"Stripe was asked {calls} time{'s' if calls > 1 else ''}.")
        if code:
            raise SystemExit(code)

    def _tell(self, error: str, *, as_json: bool) -> None:
        if as_json and not self._answered:
            self._write({"error": error})

    def _write(self, document: dict[str, Any]) -> None:
        self._answered = True
        self.stdout.write(json.dumps(document, ensure_ascii=False, default=str))


def add_json(parser: _ActionsContainer) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of lines")


def add_dry_run(parser: _ActionsContainer) -> None:
    """`--dry-run`, for commands that act at once."""
    parser.add_argument("--dry-run", action="store_true", help="change nothing; say what would be")


def add_acting(parser: ArgumentParser, *, kept: str = "in the payment's history", default: str = "") -> None:
    """`--yes`, its opposite, and `--reason`, which acting needs unless it has a default: ask `wants_to_act`."""
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--yes", action="store_true", help="act; without it nothing is changed")
    either.add_argument("--dry-run", action="store_true", help="change nothing: so it is without --yes, too")
    needed = "" if default else ", so --yes needs it"
    parser.add_argument("--reason", type=read_reason, default=default or None, help=f"why; kept {kept}{needed}")


def wants_to_act(options: dict[str, Any]) -> bool:
    """Whether to act and not only to say what would be. Raises `CommandError` where nobody says why."""
    if options["yes"] and not options["reason"]:
        raise CommandError("--yes needs a --reason: it is kept with every change")
    return bool(options["yes"])


def _acts(options: dict[str, Any]) -> bool:
    """Also those that need no --yes: what only looks has no --dry-run."""
    return bool(options["yes"]) if "yes" in options else options.get("dry_run") is False


def judge(*, done: int, refused: int) -> int:
    """The exit code of many: all of it done, a part, or nothing."""
    if not done:
        return NOTHING
    return PARTLY if refused else DONE


def read_reason(text: str) -> str:
    """Words, for argparse."""
    if not text.strip():
        raise ArgumentTypeError("must not be empty")
    return text.strip()


def read_count(text: str) -> int:
    """For argparse."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise ArgumentTypeError("must be a whole number above 0")
    return int(text)


def read_price(text: str) -> Decimal:
    """`12.50`, for argparse: in major units, whatever the events come in."""
    if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,15})?", text):
        raise ArgumentTypeError("must be a number like 12.50")
    return Decimal(text)


@contextmanager
def heeding_ctrl_c() -> Iterator[threading.Event]:
    """The first Ctrl-C sets the event, for a step that must not be cut in two; a second one ends at once."""
    stop = threading.Event()

    def heed(*_: Any) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, heed)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
