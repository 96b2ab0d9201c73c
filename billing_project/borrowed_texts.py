"""Texts of Django and unfold that our pages show and that those leave untranslated in Russian or Kazakh.

Read by `make messages` only; catalogs of the project come before those of the packages.
"""

from django.utils.translation import gettext_noop as _
from django.utils.translation import ngettext_lazy

UNFOLD = (
    _("All applications"),
    _("Apply Filters"),
    _("Clear all filters"),
    _("Close"),
    _("Dark"),
    _("Expand row"),
    _("False"),
    _("Filter navigation items"),
    _("Filters"),
    _("General"),
    _("Go back"),
    _("Hide counts"),
    _("Light"),
    _("Models in the %(name)s application"),
    _("More actions"),
    _("Next"),
    _("No data"),
    _("No results found"),
    _("Previous"),
    _("Remove from sorting"),
    _("Reset filters"),
    _("Run"),
    _("Search apps and models..."),
    _("Select action"),
    _("Select action to run"),
    _("Select all objects on this page for an action"),
    _("Select all rows"),
    _("Select record"),
    _("Select value"),
    _("Show counts"),
    _("Sorting priority: %(priority_number)s"),
    _("System"),
    _("This page yielded into no results. Create a new item or reset your filters."),
    _("Toggle sorting"),
    _("True"),
    _("Type to search"),
    _("View"),
    _("Welcome"),
    _("Welcome back to"),
    _("You have been successfully logged out from the administration"),
    _("You don’t have permission to view or edit anything."),
)
DJANGO = (
    _("Authentication and Authorization"),
    _("Enter the same password as before, for verification."),
    _("Please correct the error below."),
    _("Please correct the errors below."),
    _(
        "Please enter the correct %(username)s and password for a staff account. Note that both fields may be "
        "case-sensitive."
    ),
    _(
        "Please enter your old password, for security’s sake, and then enter your new password twice so we can verify "
        "you typed it in correctly."
    ),
    _("Password change"),
    _("Password change successful"),
    _("Select %s to view"),
    _("Thanks for spending some quality time with the web site today."),
    _("This password is entirely numeric."),
    _("This password is too common."),
    _("View %s"),
    _(
        "You are authenticated as %(username)s, but are not authorized to access this page. Would you like to login "
        "to a different account?"
    ),
    _("Your password can’t be a commonly used password."),
    ngettext_lazy(
        "This password is too short. It must contain at least %(min_length)d character.",
        "This password is too short. It must contain at least %(min_length)d characters.",
        "min_length",
    ),
    ngettext_lazy(
        "Your password must contain at least %(min_length)d character.",
        "Your password must contain at least %(min_length)d characters.",
        "min_length",
    ),
    ngettext_lazy("%(num)d year", "%(num)d years", "num"),
    ngettext_lazy("%(num)d month", "%(num)d months", "num"),
    ngettext_lazy("%(num)d week", "%(num)d weeks", "num"),
    ngettext_lazy("%(num)d day", "%(num)d days", "num"),
    ngettext_lazy("%(num)d hour", "%(num)d hours", "num"),
    ngettext_lazy("%(num)d minute", "%(num)d minutes", "num"),
)
