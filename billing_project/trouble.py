"""What is answered when something of ours has failed: 503 where it is the database, else 500 (`handler500`).

The page asks nobody: neither who is looking nor the database. A person reads what it means for the payments.
"""

import sys
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

# In seconds; also for Stripe, which comes again by itself.
RETRY_AFTER = 10


def answer(request: HttpRequest) -> HttpResponse:
    """A page in the admin, one line elsewhere; Django has logged the error that it is about."""
    is_away = isinstance(sys.exc_info()[1], OperationalError | InterfaceError)
    status = 503 if is_away else 500
    if request.path_info.startswith(reverse("admin:index")):
        heading = _("The database does not answer") if is_away else _("This page has failed")
        context = {"is_away": is_away, "heading": heading, "now": datetime.now(UTC)}
        # What the admin itself makes of this for its pages would ask who is looking.
        unfold: dict[str, Any] = settings.UNFOLD
        look = {"styles": [*unfold["STYLES"], reverse("admin:colors")], "scripts": unfold["SCRIPTS"]}
        answered = HttpResponse(render_to_string("trouble.html", context | look), status=status)
    else:
        text = "the database does not answer\n" if is_away else "this has failed; the log says why\n"
        answered = HttpResponse(text, status=status, content_type="text/plain")
    if is_away:
        answered["Retry-After"] = str(RETRY_AFTER)
    return answered
