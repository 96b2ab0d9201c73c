"""Filters of the lists. Each is a parameter of the address, so that a filtered list can be linked to and sent around.

None of them asks the table which values there are, as Django's own would, row by row, on every page.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import INPUT_CLASSES

# What `INPUT_CLASSES` makes of an input is what the rest of the page looks like.
CLASSES = " ".join(INPUT_CLASSES)


# Text that is translated when it is shown; its type is private to Django's stubs.
Words = Any
Options = Sequence[tuple[str, Words, Q]]


class Choice(admin.SimpleListFilter):
    """One of a few, each with its condition. A value that isn't among them finds nothing, and not everything."""

    options: ClassVar[Options] = ()

    def conditions(self, request: HttpRequest) -> Options:
        """Value, what a person reads, and the condition; for those that depend on the moment or on what there is."""
        return self.options

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Words]]:
        """What a person may choose from."""
        options = self.conditions(request)
        self._conditions = {value: condition for value, _text, condition in options}
        return [(value, text) for value, text, _condition in options]

    def has_output(self) -> bool:
        """Always shown: an empty list of choices would hide why nothing is found."""
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows that fulfil what was chosen."""
        value = self.value()
        if value is None:
            return queryset
        condition = self._conditions.get(value)
        return queryset.none() if condition is None else queryset.filter(condition)


class Range(admin.ListFilter, ABC):
    """From and to, both included, either may be empty."""

    template = "admin/payments/filters/range.html"
    parameter_name: ClassVar[str]
    input_type: ClassVar[str]

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.names():
            if name in params:
                # Between the thousands people put spaces, of one kind or another.
                self.used_parameters[name] = "".join(params.pop(name)[-1].split())

    def expected_parameters(self) -> list[str | None]:
        """For Django, which allows for None."""
        return list(self.names())

    def names(self) -> tuple[str, str]:
        """`amount_from` and `amount_to`."""
        return (f"{self.parameter_name}_from", f"{self.parameter_name}_to")

    def has_output(self) -> bool:
        """Always shown."""
        return True

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        """The two inputs, for the template."""
        labels = (_("from"), _("to"))
        yield {
            "inputs": [
                {"name": name, "value": self.used_parameters.get(name, ""), "label": f"{self.title}: {label}"}
                for name, label in zip(self.names(), labels, strict=True)
            ],
            "type": self.input_type,
            "classes": CLASSES,
        }

    def read(self, field: forms.Field) -> list[Any]:
        """Both bounds, None for an empty one. Raises `ValidationError`."""
        return [field.clean(self.used_parameters.get(name, "")) for name in self.names()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows between the bounds. What can't be read finds nothing, and says so."""
        if not any(self.used_parameters.values()):
            return queryset
        try:
            return self.between(request, queryset)
        except ValidationError as error:
            messages.error(request, f"{str(self.title).capitalize()}: {' '.join(error.messages)}")
            return queryset.none()

    @abstractmethod
    def between(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows between the bounds. Raises `ValidationError`."""


class Chosen(Choice):
    """Of a column of few values: each is one choice."""

    column: ClassVar[str]
    values: ClassVar[Sequence[tuple[str, Words]]]

    def conditions(self, request: HttpRequest) -> Options:
        """One for each value."""
        return [(value, text, Q(**{self.column: value})) for value, text in self.values]


class Verdict(Chosen):
    """Of a record; `parked` are those that wait for a person."""

    title = gettext_lazy("verdict")
    parameter_name = "verdict"
    column = "verdict"
    values = (
        ("accepted", gettext_lazy("accepted")),
        ("duplicate", gettext_lazy("duplicate")),
        ("conflict", gettext_lazy("conflict")),
        ("invalid", gettext_lazy("invalid")),
        ("dismissed", gettext_lazy("dismissed")),
    )

    def conditions(self, request: HttpRequest) -> Options:
        """The verdicts, and those that wait for a person together."""
        parked = ("parked", gettext_lazy("waits for a person"), Q(verdict__in=("conflict", "invalid")))
        return [parked, *super().conditions(request)]


class Open(Choice):
    """Of what is closed one day: a break, a dispute."""

    title = gettext_lazy("open")
    parameter_name = "open"
    column: ClassVar[str]

    def conditions(self, request: HttpRequest) -> Options:
        """Open, or not any more."""
        return (
            ("yes", gettext_lazy("open"), Q(**{f"{self.column}__isnull": True})),
            ("no", gettext_lazy("closed"), Q(**{f"{self.column}__isnull": False})),
        )


class OpenBreak(Open):
    """By the time when it was closed."""

    column = "closed_at"


class OpenDispute(Open):
    """By the time when it ended."""

    column = "ended_at"


class NeedsALook(Choice):
    """Where a person should look."""

    title = gettext_lazy("needs a look")
    parameter_name = "look"
    options = (
        ("yes", gettext_lazy("yes"), ~Q(attention="")),
        ("no", gettext_lazy("no"), Q(attention="")),
    )


class Refused(Choice):
    """What Kafka will never take."""

    title = gettext_lazy("refused by Kafka")
    parameter_name = "refused"
    options = (
        ("yes", gettext_lazy("yes"), Q(refused_at__isnull=False)),
        ("no", gettext_lazy("no"), Q(refused_at__isnull=True)),
    )
