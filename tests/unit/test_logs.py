"""Logs: what is not allowed never gets there, whoever logs it and however it fails."""

import psycopg2
import pytest

from billing_project import logs
from tests.unit.logged import EVENTS, event, events, output

FORMATS = ["json", "pretty"]
CANARIES = ["4242424242424242", "canary@example.kz", "sk_live_canary"]


def test_what_the_driver_reports_and_raises_as_well_is_no_end(capsys: pytest.CaptureFixture[str]) -> None:
    """A connection that is lost in the middle of a COPY: the bridge waits and goes on, and nobody is paged."""
    reported = SystemError("returned a result with an exception set")
    reported.__cause__ = psycopg2.OperationalError("terminating connection")
    logs._tell_end(SystemError, reported, None)
    assert capsys.readouterr() == ("", "")


def test_json_is_one_line_per_event() -> None:
    """Whatever is in it: line feeds, stacks, chained exceptions. What is below the level isn't there."""
    assert [found["event"].split()[0].rstrip(":") for found in events()] == EVENTS
    assert [found for found in events() if not {"event", "level", "timestamp"} <= set(found)] == []


@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize("canary", CANARIES)
def test_no_secret_and_no_personal_data_is_ever_written(log_format: str, canary: str) -> None:
    """As fields, arguments, context, exceptions' messages and causes, from us and from libraries."""
    assert "plain" in output(log_format)
    assert canary not in output(log_format)


def test_what_is_allowed_is_kept_as_it_is() -> None:
    """Ids and numbers, in their types."""
    found = event("plain")
    assert (found["payment"], found["attempt"], found["seconds"]) == ("p-1", 2, 0.5)
    assert (found["level"], found["timestamp"][-1]) == ("info", "Z")
    assert "dropped" not in found


def test_what_is_not_allowed_is_dropped_and_named() -> None:
    """So that whoever misses a field learns why it isn't there."""
    assert event("fields")["dropped"] == ["card", "email", "headers", "key"]
    assert set(event("fields")) == {"event", "level", "timestamp", "payment", "dropped"}


def test_a_step_of_many_things_is_a_line_for_each() -> None:
    """Each with what it has in common with the others, and filtered as any other line is."""
    first, second = (found for found in events() if found["event"] == "each")
    assert (first["record"], first["why"], first["dropped"]) == ("r-1", "w", ["email"])
    assert (second["record"], second["why"], second["verdict"]) == ("r-2", "w", "Person")
    assert "dropped" not in second
    assert output("pretty").count("each ") == 2


def test_an_object_is_written_as_the_name_of_its_type() -> None:
    """What it would say of itself may quote anything, also where the field is one that is allowed."""
    found = event("objects")
    assert {name: found[name] for name in ("payment", "why", "error", "state", "status", "kind", "account")} == {
        "payment": "Person",
        "why": "ValueError",
        "error": "dict",
        "state": "list",
        "status": "set",
        "kind": "bytes",
        "account": "type",
    }
    assert "dropped" not in found


def test_texts_numbers_truth_and_nothing_are_values() -> None:
    """Also texts that have names, as states and codes are."""
    found = event("values")
    names = ("payment", "state", "count", "seconds", "known", "due_at")
    assert [found[name] for name in names] == ["p-1", "declined", 3, 0.5, True, None]
    assert event("objects")["code"] == "declined"


@pytest.mark.parametrize("start", ["KeyError", "Person", "ValueError", "dict"])
def test_an_object_that_is_logged_as_the_message_is_only_its_type(start: str) -> None:
    """`log.error(error)`, as people write in a hurry, here or in a library."""
    assert event(start)["event"] == start
    assert event(start)["level"] in {"info", "error"}


@pytest.mark.parametrize("log_format", FORMATS)
def test_a_message_that_does_not_fit_its_arguments_is_left_out(log_format: str) -> None:
    """Python's own report of the slip would print the arguments, and the stack, past every filter."""
    assert "misprinted" not in output(log_format)
    assert "Logging error" not in output(log_format)


def test_servers_that_bring_their_own_handlers_write_through_ours() -> None:
    """One line each, in our format; nothing past it."""
    assert event("served /")["logger"] == "gunicorn.error"
    assert event("served to …")["logger"] == "gunicorn.access"
    assert event("served to staff")["event"] == "served to staff …"


@pytest.mark.parametrize("start", ["ended by an error", "thread ended by an error"])
def test_what_ends_by_an_error_says_so_in_one_line(start: str) -> None:
    """Python's own report would quote what the exception says, and is read by whoever reads logs."""
    assert event(start)["exception"].startswith("builtins.ValueError at <string>:")
    for log_format in FORMATS:
        assert "Traceback" not in output(log_format)


def test_of_an_address_the_query_is_left_out() -> None:
    """Staff search for customers by what they typed there."""
    assert event("searched")["event"] == "searched /admin/?…"


def test_what_a_library_prints_is_not_repeated() -> None:
    """A traceback, as likely as not."""
    assert event("something")["event"] == "something was printed"


def test_which_task_failed_is_said() -> None:
    """Its name, and nothing of what it was given."""
    assert (event("failed …")["event"], event("failed …")["kind"]) == ("failed …", "payments.charge")


@pytest.mark.parametrize("start", ["bound", "context"])
def test_what_was_bound_earlier_is_filtered_too(start: str) -> None:
    """A field that comes along from elsewhere is a field."""
    assert event(start)["dropped"] == ["email"]
    assert {"payment", "trace"} & set(event(start))


@pytest.mark.parametrize("start", ["caught", "told", "given", "foreign caught"])
def test_an_exception_is_its_type_and_its_place(start: str) -> None:
    """Enough to find the line of code; nothing of what it said."""
    exception = event(start)["exception"]
    assert exception.startswith("builtins.ValueError at <string>:")
    assert " fail < <string>:" in exception


@pytest.mark.parametrize("start", ["chained", "foreign chained"])
def test_of_a_chain_only_the_last_exception_is_told(start: str) -> None:
    """Its cause's message would quote data as well."""
    assert event(start)["exception"].startswith("builtins.KeyError at <string>:")
    assert "ValueError" not in event(start)["exception"]


def test_of_a_librarys_message_only_the_template_is_kept() -> None:
    """Which library said it, without what it said it about."""
    assert event("foreign …")["event"] == "foreign …: …"
    assert event("foreign …")["logger"] == "django.request"
    assert event("foreign task")["event"] == "foreign task …"


def test_known_loggers_may_name_addresses() -> None:
    """An operator needs to read which broker is away."""
    assert event("trusted")["event"] == "trusted host:6379"


@pytest.mark.parametrize("start", ["plain", "caught", "foreign …", "trusted"])
def test_a_terminal_shows_the_same_events(start: str) -> None:
    """Pretty is another picture, not another filter."""
    assert event(start)["event"] in output("pretty")
