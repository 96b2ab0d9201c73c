"""The fenced blocks of the documents, and the command lines of those that are for a shell."""

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parents[2]
# What somebody reads who has just found the project.
FRONT = [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"]
PAGES = [*FRONT, *sorted(page for page in (ROOT / "docs").rglob("*.md") if "node_modules" not in page.parts)]

# By these a block is known as commands; there is one word for it, so that none is overlooked.
SHELL = "sh"
OTHER_WORDS_FOR_SHELL = {"", "bash", "shell", "console", "zsh", "shell-session", "terminal"}


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block. `page` is its path from the project's folder, `line` that of its fence."""

    page: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> list[str]:
        """Its lines as a shell takes them: continued ones joined, without comments."""
        joined = re.sub(r"\\\n\s*", "", self.text)
        lines = [re.sub(r"(^|\s+)#.*$", "", line).strip() for line in joined.splitlines()]
        return [line for line in lines if line]


def blocks(page: Path, *, kind: str | None = None) -> list[Block]:
    """Those of one page, in order; also those that stand inside lists."""
    text = page.read_text()
    found = re.finditer(r"^( *)```([\w-]*)[^\n]*\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
    name = str(page.relative_to(ROOT))
    every = [
        Block(page=name, line=text.count("\n", 0, one.start()) + 1, kind=one[2], text=dedent(one[3])) for one in found
    ]
    return [one for one in every if kind in (None, one.kind)]
