"""The filters "refunded in full" and "in part" get an index each: both amounts had to be looked up in every row that was
refunded, of which a page may need thousands to count them or to find its own."""

from django.db import migrations, models
from django.db.models import F, Q

from payments.migrations._online import AddIndexOnline


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("payments", "0016_list_indexes"),
    ]

    operations = [
        # refunded > 0 AND refunded = amount ORDER BY created_at DESC. One entry for each such payment.
        AddIndexOnline(
            model_name='payment',
            index=models.Index(
                F('created_at').desc(), condition=Q(refunded__gt=0, refunded=F('amount')),
                name='payment_refunded_full',
            ),
        ),
        # The same for refunded < amount.
        AddIndexOnline(
            model_name='payment',
            index=models.Index(
                F('created_at').desc(), condition=Q(refunded__gt=0, refunded__lt=F('amount')),
                name='payment_refunded_part',
            ),
        ),
    ]
