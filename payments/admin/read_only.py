"""Nobody edits money."""

from typing import Any

from django.db.models import Field, Model
from django.http import HttpRequest


class ReadOnly:
    """Nobody edits money, superusers included."""

    model: type[Model]

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_form(self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any) -> Any:
        """Without the fields' help: it speaks to whoever writes the code."""
        silent = {field.name: "" for field in self.model._meta.get_fields() if isinstance(field, Field)}
        return super().get_form(request, obj, change, **({"help_texts": silent} | kwargs))  # type: ignore[misc]
