"""What each group of the staff may do: one table. Superusers may do all of it; nobody may edit money."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import QuerySet

SUPPORT, FINANCE, LEAD = "Support", "Finance", "Lead"

# Codenames of permissions of the app payments. Each group may also look at everything but what is NOT_FOR_ALL.
MATRIX: dict[str, frozenset[str]] = {
    SUPPORT: frozenset({
        "retry_payment", "refresh_payment", "notify_payment", "replay_record", "see_personal_data",
    }),
    FINANCE: frozenset({
        "refund_payment", "settle_break", "export_payment", "see_personal_data", "view_statement", "view_balanceline",
    }),
    LEAD: frozenset({
        "approve_job", "close_payment", "reissue_payment", "correct_record", "dismiss_record", "see_personal_data",
        "view_staffentry",
    }),
}  # fmt: skip
# Who may look over the shoulders of the others, and who sees what the company earns, isn't everybody.
NOT_FOR_ALL = frozenset({"view_staffentry", "view_statement", "view_balanceline"})


class PermissionsMissing(Exception):
    """The database doesn't know permissions that the matrix names: it was not migrated."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that was put right."""

    group: str
    text: str


def wanted(group: str) -> frozenset[str]:
    """Codenames of all that a group may do, looking included."""
    models = apps.get_app_config("payments").get_models()
    looking = {f"view_{model._meta.model_name}" for model in models if "view" in model._meta.default_permissions}
    return MATRIX[group] | (looking - NOT_FOR_ALL)


def put_right(*, acts: bool = True) -> list[Change]:
    """Make the groups have exactly what the table says, and tell what had to be changed, or with acts=False what would
    have to be. Raises PermissionsMissing."""
    with transaction.atomic():
        changes = [change for name in MATRIX for change in _put_right(name)]
        transaction.set_rollback(not acts)
        return changes


def _put_right(name: str) -> Iterator[Change]:
    group, made = Group.objects.get_or_create(name=name)
    if made:
        yield Change(group=name, text="made")
    codenames = wanted(name)
    right: QuerySet[Permission] = Permission.objects.filter(content_type__app_label="payments", codename__in=codenames)
    missing = codenames - {one.codename for one in right}
    if missing:
        raise PermissionsMissing(", ".join(sorted(missing)))
    has = set(group.permissions.all())
    for one in sorted(set(right) - has, key=lambda one: one.codename):
        yield Change(group=name, text=f"may now: {one.codename}")
    for one in sorted(has - set(right), key=lambda one: one.codename):
        yield Change(group=name, text=f"may no longer: {one.codename}")
    group.permissions.set(right)
