"""What unfold makes anew for each row of a list, made once: of a page of 21 payments, a quarter of all Python calls."""

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

from django.contrib.admin import helpers
from django.db.models import Model
from django.db.models.options import Options
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from unfold.admin import checkbox as widget
from unfold.templatetags import unfold_list

ROW = "row-of-the-list"

headers_of = unfold_list.result_headers
label_of = unfold_list.display_for_label
link_of = unfold_list.add_preserved_filters


def headers_once(changelist: Any) -> Iterator[dict[str, Any]]:
    """The headers of a list's columns, with which each cell is labelled on a narrow screen."""
    if not hasattr(changelist, "headers_made"):
        changelist.headers_made = list(headers_of(changelist))
    return iter(changelist.headers_made)


def label_once(value: Any, empty: str, colours: dict[str, str]) -> SafeString:
    """A state as a coloured label, of which there are few."""
    return _label(value, empty, tuple(colours.items()))


def link_once(context: dict[str, Any], url: str) -> str:
    """A row's address, with what leads back to the list as it is, which is the same for all of them."""
    return url + _back(context["preserved_filters"], context["opts"])


def checkbox(row: Model) -> SafeString:
    """By which a row is chosen for an action."""
    return mark_safe(_checkbox(get_language()).replace(ROW, escape(row.pk)))  # noqa: S308 - the widget's own


@cache
def _checkbox(language: str | None) -> str:
    """In one language, as its label is translated."""
    return str(widget.render(helpers.ACTION_CHECKBOX_NAME, ROW))


@cache
def _label(value: Any, empty: str, colours: tuple[tuple[str, str], ...]) -> SafeString:
    """The value is in the language of who looks."""
    label: SafeString = label_of(value, empty, dict(colours))
    return label


@lru_cache(maxsize=100)
def _back(filters: str, opts: "Options[Any]") -> str:
    """The query, as of a row that has no address."""
    return str(link_of({"preserved_filters": filters, "opts": opts}, ""))


# There is no other way in: the rows ask for them by these names.
unfold_list.result_headers = headers_once
unfold_list.display_for_label = label_once
unfold_list.add_preserved_filters = link_once
