"""Everybody reads the desk in their language: the catalogs are complete, agree with the sources, and are compiled."""

import re
import string
from collections import Counter

import polib
import pytest
from django.conf import settings
from django.utils import translation
from django.utils.formats import get_format

from billing_project.dev import messages

LANGUAGES = sorted(messages.PLURALS)
_PERCENT = re.compile(r"%(?:\(\w+\))?[sdi]")


def _catalog(language: str) -> polib.POFile:
    return polib.pofile(str(messages.catalog(language)))


def _strings(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


def _placeholders(text: str) -> Counter[str]:
    braces = [f"{{{name}}}" for _, name, _, _ in string.Formatter().parse(text.replace("%%", "")) if name is not None]
    return Counter(_PERCENT.findall(text.replace("%%", "")) + braces)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_catalog_has_what_the_sources_say_and_nothing_else(language: str) -> None:
    """A text that was added or changed waits for its translation: `make messages` puts it in."""
    there = {((one.msgctxt or ""), one.msgid): one.msgid_plural for one in _catalog(language)}
    assert there == {text.key: text.plural for text in messages.collect()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_is_translated_and_nothing_is_guessed(language: str) -> None:
    """Nothing is left empty, nothing is marked as a guess, nothing is kept that nobody asks for."""
    catalog = _catalog(language)
    assert [one.msgid for one in catalog if not all(_strings(one))] == []
    assert [one.msgid for one in catalog if one.fuzzy or one.obsolete] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_names_what_its_source_names(language: str) -> None:
    """A placeholder that is lost is an amount that nobody reads; one too many is an error page."""
    for one in _catalog(language):
        allowed = [_placeholders(source) for source in (one.msgid, one.msgid_plural) if source]
        for text in _strings(one):
            assert _placeholders(text) in allowed, one.msgid


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_compiled_is_what_is_written(language: str) -> None:
    """Django reads the compiled catalog alone."""
    compiled = polib.mofile(str(messages.catalog(language).with_suffix(".mo")))
    assert {(one.msgctxt, one.msgid): _strings(one) for one in compiled} == {
        (one.msgctxt, one.msgid): _strings(one) for one in _catalog(language)
    }


def test_the_languages_are_those_of_the_settings() -> None:
    """English is in the sources; each other language has a catalog."""
    assert sorted(code for code, _ in settings.LANGUAGES) == sorted(["en", *LANGUAGES])


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_times_are_written_to_the_second_in_every_language(language: str) -> None:
    """Support compares them with logs and with Stripe's dashboard."""
    with translation.override(language):
        assert get_format("DATETIME_FORMAT") == "Y-m-d H:i:s"
