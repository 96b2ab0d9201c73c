"""`manage.py replay_failed --limit` outside of a test's own transaction, as it runs: a part is read, the rest left."""

from io import StringIO

import pytest
from django.core.management import call_command

from payments.models import Job
from tests.integration.ledger_rows import FAILED, payment


@pytest.mark.django_db(transaction=True)
def test_what_a_limit_leaves_unread_ends_in_order() -> None:
    """Python would tell of a cursor that is gone, in a traceback that says nothing to whoever typed the command."""
    for name in ("one", "two", "three"):
        payment(subscription_id=name, **FAILED)
    call_command("replay_failed", "--limit", "1", stdout=StringIO(), stderr=StringIO())
    assert Job.objects.get().total == 1
