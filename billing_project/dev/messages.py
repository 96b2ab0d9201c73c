"""`make messages`: what people read, from the sources into the catalogs of each language, and compiled.

In pure Python, as `make` and Python is all that anybody needs here. Catalogs are sorted and name no places and no
times, so that a change shows as what it is. Translations that nobody asks for any more leave the catalog; what is
new waits in it, empty, and `tests/unit/test_translations.py` says so.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polib
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[2]
LOCALE = ROOT / "billing_project" / "locale"
SOURCES = ("billing_project", "bridge", "payments")
PLURALS = {
    "ru": "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2);",
    "kk": "nplurals=2; plural=(n != 1);",
}
# Where the texts stand in each function's arguments: context, singular, plural.
_FUNCTIONS: dict[str, tuple[int | None, int, int | None]] = {
    "gettext": (None, 0, None),
    "ngettext": (None, 0, 1),
    "pgettext": (0, 1, None),
    "npgettext": (0, 1, 2),
}
_CALL = re.compile(r"(?<![\w.])(?:_|n?p?gettext)\(")


@dataclass(frozen=True, kw_only=True, order=True)
class Text:
    """One text to translate."""

    singular: str
    plural: str = ""
    context: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What makes it another text in a catalog."""
        return (self.context, self.singular)


def collect() -> list[Text]:
    """All texts of the sources, sorted, each once."""
    found: dict[tuple[str, str], Text] = {}
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix == ".py" and not {"migrations", "dev"} & set(path.parts):
                texts = _calls(ast.parse(path.read_text(encoding="utf-8")))
            elif path.suffix in {".html", ".txt"} and "templates" in path.parts:
                texts = _in_template(path.read_text(encoding="utf-8"))
            else:
                continue
            for text in texts:
                # Said once with a plural and once without, it is the same entry.
                if text.key not in found or text.plural:
                    found[text.key] = text
    return sorted(found.values())


def catalog(language: str) -> Path:
    """The catalog that people edit."""
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def main() -> None:
    """Bring the catalogs up to date, compile them, and say what waits for a translator."""
    texts = collect()
    for language in PLURALS:
        path = catalog(language)
        po = _merge(texts, path, language)
        path.parent.mkdir(parents=True, exist_ok=True)
        po.save(str(path))
        po.save_as_mofile(str(path.with_suffix(".mo")))
        waiting = po.untranslated_entries()
        print(f"{language}: {len(po)} texts, {len(waiting)} not translated")
        for entry in waiting:
            print(f"    {entry.msgid}")


def _merge(texts: list[Text], path: Path, language: str) -> polib.POFile:
    known = {(one.msgctxt or "", one.msgid): one for one in polib.pofile(str(path))} if path.exists() else {}
    po = polib.POFile(wrapwidth=110)
    po.metadata = {
        "Language": language,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": PLURALS[language],
    }
    forms = range(int(PLURALS[language].removeprefix("nplurals=")[0]))
    for text in texts:
        entry = polib.POEntry(msgid=text.singular, msgctxt=text.context or None)
        old = known.get(text.key)
        if text.plural:
            entry.msgid_plural = text.plural
            entry.msgstr_plural = {form: old.msgstr_plural.get(form, "") if old else "" for form in forms}
        else:
            entry.msgstr = old.msgstr if old else ""
        po.append(entry)
    return po


def _in_template(source: str) -> Iterator[Text]:
    code = templatize(source)
    for match in _CALL.finditer(code):
        end = code.find(")", match.end())
        while end >= 0:
            try:
                yield from _calls(ast.parse(code[match.start() : end + 1]))
                break
            except SyntaxError:
                end = code.find(")", end + 1)


def _calls(tree: ast.AST) -> Iterator[Text]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        name = "gettext" if called == "_" else called.removesuffix("_lazy").removesuffix("_noop")
        if name in _FUNCTIONS:
            # A variable is a text that stands elsewhere, marked there with gettext_noop.
            parts = [None if place is None else _constant(node, place) for place in _FUNCTIONS[name]]
            if parts[1]:
                yield Text(context=parts[0] or "", singular=parts[1], plural=parts[2] or "")


def _constant(node: ast.Call, place: int) -> str | None:
    argument = node.args[place] if place < len(node.args) else None
    return argument.value if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else None


if __name__ == "__main__":
    main()
