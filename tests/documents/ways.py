"""How a command line of a document is run by the tests. A line that has no way fails, and so does a rule too many.

Most lines need nothing here: a management command runs in the test's own process, with rows that fit (`world`).
"""

import re
import shlex
from enum import Enum, auto


class Way(Enum):
    """How a line is run."""

    COMMAND = auto()  # a management command, to its end, in the test's process
    PROCESS = auto()  # runs until SIGTERM: it is started, shows that it lives, is stopped, and ends with 0
    SETTING = auto()  # NAME=value: a setting that the product takes
    SHELL = auto()  # to its end, in a shell, in a folder of the test's own
    MADE = auto()  # a target of make: CI makes it, or a test does what it does
    NOT_HERE = auto()  # what it needs is not at hand: see NOT_HERE


# Carried out as a whole by a test of their own, whose order and rows tell a story.
OWN_TEST = {
    "docs/cutover.md": "tests/integration/test_cutover.py",
    "docs/examples/nestjs/README.md": "tests/node/test_nestjs.py",
}

# Programs that can't be run here, and why. What they are given is checked otherwise.
NOT_HERE = {
    "helm": "no Kubernetes is at hand; tests/deploy renders the chart and holds it against Kubernetes' schemas",
    "pg_dump": "tests/e2e/test_backup.py carries out these very lines, with the rows that they need",
    "pg_restore": "tests/e2e/test_backup.py carries out these very lines, with the rows that they need",
    "docker": "no Docker engine is at hand; tests/unit/test_deployment_files.py looks at Dockerfile and compose file",
}

# The test that does what a target of make does, or that it is of; the others are made by .ci/run.
MADE_BY = {
    "run": "tests/e2e/test_demo.py",
    "sbom": "tests/unit/test_sbom.py",
}

# Run as they stand. They are on every machine that could run this product.
SHELL_PROGRAMS = {"cp", "test"}

# Management commands that run until they are stopped.
LASTING = {"bridge", "relay"}

# Exit codes beside 0 by which a command speaks; the documents tell them.
ALSO_ENDS_WITH = {"doctor": {1, 3}, "drain": {3}, "forget_user": {1}, "reconcile": {3}, "statement": {3}}


def way_of(line: str) -> Way | None:
    """By its first words; None where nobody has said how."""
    if re.fullmatch(r"[A-Z][A-Z0-9_]*=\S*", line):
        return Way.SETTING
    words = shlex.split(line)
    if re.match(r"[A-Z][A-Z0-9_]*=", words[0]):  # for this one command, as a shell does it
        return Way.SHELL if "python manage.py" in line else None
    match words:
        case ["python", "manage.py", name, *_] if name in LASTING:
            return Way.PROCESS
        case ["python", "manage.py", *rest]:
            return Way.SHELL if {"|", ">", "<", "&&", ";"} & {*rest} else Way.COMMAND
        case ["celery" | "gunicorn", *_]:
            return Way.PROCESS
        case ["make", *_]:
            return Way.MADE
        case [program, *_] if program in NOT_HERE:
            return Way.NOT_HERE
        case [program, *_] if program in SHELL_PROGRAMS:
            return Way.SHELL
    return None
