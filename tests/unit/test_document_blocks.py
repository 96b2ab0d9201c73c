"""Every command block of the documents is run by a test, or stands on the one list of what can't be run here."""

import re
from pathlib import Path

import pytest

from tests.documents.blocks import OTHER_WORDS_FOR_SHELL, PAGES, ROOT, Block, blocks
from tests.documents.ways import ALSO_ENDS_WITH, MADE_BY, NOT_HERE, OWN_TEST, Way, way_of

PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
CI = (ROOT / ".ci" / "run").read_text()


def lines_of(page: Path) -> list[tuple[Block, str]]:
    """The command lines of a page, each with its block."""
    return [(block, line) for block in blocks(page, kind="sh") for line in block.commands()]


@PAGE
def test_every_command_line_has_a_way_in_which_it_is_run(page: Path) -> None:
    """A new one that has none fails here: say how in tests/documents/ways.py."""
    if str(page.relative_to(ROOT)) not in OWN_TEST:
        assert [f"{block}: {line}" for block, line in lines_of(page) if way_of(line) is None] == []


@PAGE
def test_commands_stand_in_blocks_that_the_tests_see(page: Path) -> None:
    """One word for a shell, and a word for everything, so that no block is overlooked."""
    assert [str(block) for block in blocks(page) if block.kind in OTHER_WORDS_FOR_SHELL] == []
    assert len(re.findall(r"^ *```", page.read_text(), re.MULTILINE)) == 2 * len(blocks(page))


@PAGE
def test_what_make_does_is_done_by_ci_or_by_a_test(page: Path) -> None:
    """The project's own gate runs them, or the named test does what they do."""
    for block, line in lines_of(page):
        if way_of(line) is Way.MADE:
            targets = [word for word in line.split()[1:] if "=" not in word]
            assert targets, f"{block}: {line}"
            for target in targets:
                assert target in MADE_BY or re.search(rf"^make {target}\b", CI, re.MULTILINE), f"{block}: {line}"


def test_a_page_with_a_test_of_its_own_is_read_by_it() -> None:
    """The test exists, speaks of the page, and takes its blocks."""
    for page, test in OWN_TEST.items():
        text = (ROOT / test).read_text()
        assert page in text, page
        assert "blocks(" in text, page


def test_the_lists_hold_nothing_that_no_document_needs() -> None:
    """Whoever removes a block removes its exception."""
    assert [page for page in OWN_TEST if not lines_of(ROOT / page)] == []
    every = [line for page in PAGES for _, line in lines_of(page)]
    words = {word for line in every for word in line.split()}
    assert [name for name in [*NOT_HERE, *ALSO_ENDS_WITH] if name not in words] == []
    assert [test for test in MADE_BY.values() if not (ROOT / test).exists()] == []


@pytest.mark.parametrize(
    ("line", "way"),
    [
        ("python manage.py refund 1 --yes", Way.COMMAND),
        ("python manage.py relay", Way.PROCESS),
        ("python manage.py parked list > parked.txt", Way.SHELL),
        ("KAFKA_SASL_MECHANISM=PLAIN", Way.SETTING),
        ('PGOPTIONS="-c lock_timeout=10s" python manage.py migrate', Way.SHELL),
        ("make run ARGS=--exit", Way.MADE),
        ("docker compose up", Way.NOT_HERE),
        ("psql billing", None),
        ("sudo python manage.py refund 1", None),
    ],
)
def test_the_way_goes_by_the_first_words(line: str, way: Way | None) -> None:
    """What nobody has thought of has none."""
    assert way_of(line) is way


def test_blocks_are_found_wherever_they_stand(tmp_path: Path) -> None:
    """Inside a list, too; comments are no commands, and a continued line is one."""
    page = ROOT / "docs" / "cutover.md"
    assert [block.kind for block in blocks(page)] == ["sh", "csv", "sh", "sh", "sh", "sh", "sh"]
    block = Block(page="p", line=1, kind="sh", text="# first\npython manage.py close 1 \\\n    --yes   # for good\n\n")
    assert block.commands() == ["python manage.py close 1 --yes"]
