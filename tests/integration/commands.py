"""Management commands as a shell sees them."""

from io import StringIO

from django.core.management import CommandError, call_command


def run_command(name: str, *arguments: str) -> tuple[str, str, int]:
    """What it prints, what it says on stderr, and its exit code."""
    out, err = StringIO(), StringIO()
    try:
        call_command(name, *arguments, stdout=out, stderr=err)
    except CommandError as error:
        return out.getvalue(), f"{err.getvalue()}{error}", error.returncode
    return out.getvalue(), err.getvalue(), 0
