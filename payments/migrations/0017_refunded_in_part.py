"""The filter "refunded in part" gets an index of its own: among all that was refunded those are few, and spread out."""

from django.db import migrations, models
from django.db.models import F, Q

from payments.migrations._online import AddIndexOnline


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("payments", "0016_list_indexes"),
    ]

    operations = [
        # refunded > 0 AND refunded < amount ORDER BY created_at DESC. One entry for each such payment.
        AddIndexOnline(
            model_name='payment',
            index=models.Index(
                F('created_at').desc(), condition=Q(refunded__gt=0, refunded__lt=F('amount')),
                name='payment_refunded_part',
            ),
        ),
    ]
