"""Who may see personal data, and what everybody else sees of it."""

from django.http import HttpRequest


def may_see(request: HttpRequest) -> bool:
    """Whether e-mail addresses and user ids are shown to this person."""
    return bool(request.user.has_perm("payments.see_personal_data"))


def mask(email: str) -> str:
    """`a•••@b.kz`; empty stays empty."""
    name, at, host = email.partition("@")
    return f"{name[:1]}•••{at}{host}" if email else ""
