"""Personal data: e-mail addresses, ids of users, and records as they came, for those only who may see them."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

PERMISSION = "payments.see_personal_data"
# As many whatever it stands for: the length of an address says something, too.
_DOTS = "•••"


def may_see(request: HttpRequest) -> bool:
    """Whether whoever asks may see personal data."""
    return request.user.has_perm(PERMISSION)


def mask(email: str) -> str:
    """`aida@example.kz` as `a•••@example.kz`: enough to tell two apart, not enough to write to. Empty stays empty;
    what is no address, such as a user's id, keeps its first character."""
    if not email:
        return ""
    name, at, host = email.rpartition("@")
    return f"{name[:1]}{_DOTS}@{host}" if at and name else f"{email[:1]}{_DOTS}"


def hidden() -> str:
    """What stands where something isn't shown at all."""
    return _("hidden: your groups may not see personal data")


def instead(found: Any, names: Mapping[str, str]) -> Any:
    """Fieldsets, or lists of names, with other fields in the places of some; each at most once."""
    match found:
        case str():
            return names.get(found, found)
        case Mapping():
            return {key: instead(value, names) if key == "fields" else value for key, value in found.items()}
        case list() | tuple():
            swapped = [instead(one, names) for one in found]
            return [one for place, one in enumerate(swapped) if one not in swapped[:place]]
    return found
