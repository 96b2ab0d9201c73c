"""Filters by fault, kind and exact amount are counted in the index alone: with the status, or the currency, missing from
it, up to 10,000 rows had to be looked up for the number above the list.

Each is built before the one that it replaces goes, so that the version before has an index all the time. There are as
many entries as before: no column is in them that changes without those of `status`.
"""

from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models import F, Q

from payments.migrations._online import AddIndexOnline


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("payments", "0017_refunded_lists"),
    ]

    operations = [
        # status = 'failed' AND fault = 'us' ORDER BY created_at DESC. One entry per failure. Status isn't the condition:
        # the planner would take failures and faults for independent, and expect an eighth of what there is.
        AddIndexOnline(
            model_name='payment',
            index=models.Index(
                F('fault'), F('created_at').desc(), condition=~Q(fault=''), include=['status'],
                name='payment_failed_by_fault',
            ),
        ),
        RemoveIndexConcurrently(
            model_name='payment',
            name='payment_by_fault',
        ),
        # The same for kind.
        AddIndexOnline(
            model_name='payment',
            index=models.Index(
                F('kind'), F('created_at').desc(), condition=~Q(kind=''), include=['status'],
                name='payment_failed_by_kind',
            ),
        ),
        RemoveIndexConcurrently(
            model_name='payment',
            name='payment_by_kind',
        ),
        # amount IN (990, 99000) AND (amount <> 990 OR currency = 'JPY') AND … Three entries per payment.
        AddIndexOnline(
            model_name='payment',
            index=models.Index(F('amount'), F('currency'), name='payment_by_price'),
        ),
        RemoveIndexConcurrently(
            model_name='payment',
            name='payment_by_amount',
        ),
    ]
