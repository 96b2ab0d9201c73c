"""Lists that stay fast: an index for each search, filter and saved view of the admin.

What an index costs: a row's version that is not HOT gets an entry in each index whose condition holds for it. A
payment has about three such versions (written, bound to its PaymentIntent, settled), as `intent_id` and `status` were
indexed before; so an index without a condition costs three entries per payment, and a partial one costs its rare rows
only. No column that a claim writes (`lease_until`, `deliveries`) is in any index: claims stay HOT. The columns here
are written once, but for those that say what has failed or gone back, which change with `status` or when Stripe tells.

Built one after another while payments go on, at twice the work, and not in one transaction: where `migrate` is cut off,
run it again.
"""

import django.db.models.functions.text
from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models import F, Q

from payments.migrations._online import AddIndexOnline


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("payments", "0015_prune"),
    ]

    operations = [
        # Both are made anew below: the one without regard to case, the other with closed payments in it.
        RemoveIndexConcurrently(
            model_name='payment',
            name='payment_by_email',
        ),
        RemoveIndexConcurrently(
            model_name='payment',
            name='payment_failed',
        ),
        # Search by last four digits: last4 = '4242'. One entry per attempt that was declined or succeeded; settling
        # one wasn't HOT before either (`attempt_one_open`).
        AddIndexOnline(
            model_name='attempt',
            index=models.Index(F('last4'), condition=~Q(last4=''), name='attempt_by_last4'),
        ),
        # Filter by verdict, and the saved view "conflicts": verdict IN ('conflict', 'invalid') ORDER BY id DESC.
        # Nothing for what is accepted.
        AddIndexOnline(
            model_name='inboxmessage',
            index=models.Index(F('verdict'), F('id').desc(), condition=~Q(verdict='accepted'), name='inbox_by_verdict'),
        ),
        # Filter "refused by Kafka": refused_at IS NOT NULL ORDER BY id DESC. Empty, nearly always.
        AddIndexOnline(
            model_name='outboxmessage',
            index=models.Index(F('id').desc(), condition=Q(refused_at__isnull=False), name='outbox_refused'),
        ),
        # Filter by channel: channel = 'dead_letters' ORDER BY id DESC. Nothing for notifications.
        AddIndexOnline(
            model_name='outboxmessage',
            index=models.Index(
                F('channel'), F('id').desc(), condition=~Q(channel='notifications'), name='outbox_by_channel'
            ),
        ),
        # Search by e-mail: lower(email) = 'a@b.kz'. As the one before it, three entries per payment that has one.
        AddIndexOnline(
            model_name='payment',
            index=models.Index(
                django.db.models.functions.text.Lower('email'), condition=~Q(email=''), name='payment_by_email'
            ),
        ),
        # Filter by currency: currency = 'USD' ORDER BY created_at DESC. Three entries per payment; repeated values
        # are kept once per page.
        AddIndexOnline(
            model_name='payment',
            index=models.Index(F('currency'), F('created_at').desc(), name='payment_by_currency'),
        ),
        # Filter by amount: amount BETWEEN 4800000 AND 4900000. Three entries per payment.
        AddIndexOnline(
            model_name='payment',
            index=models.Index(F('amount'), name='payment_by_amount'),
        ),
        # Filters by fault and kind: fault = 'us' ORDER BY created_at DESC. One entry each per failure.
        AddIndexOnline(
            model_name='payment',
            index=models.Index(F('fault'), F('created_at').desc(), condition=~Q(fault=''), name='payment_by_fault'),
        ),
        AddIndexOnline(
            model_name='payment',
            index=models.Index(F('kind'), F('created_at').desc(), condition=~Q(kind=''), name='payment_by_kind'),
        ),
        # Filters "disputed" and "refunded": refunded > 0 ORDER BY created_at DESC. One entry for each such payment.
        AddIndexOnline(
            model_name='payment',
            index=models.Index(
                F('created_at').desc(), condition=Q(disputed_at__isnull=False), name='payment_disputed'
            ),
        ),
        AddIndexOnline(
            model_name='payment',
            index=models.Index(F('created_at').desc(), condition=Q(refunded__gt=0), name='payment_refunded'),
        ),
        # Saved view "failed today": status = 'failed' AND settled_at >= midnight. One entry per failure, as before;
        # what is closed now keeps its own.
        AddIndexOnline(
            model_name='payment',
            index=models.Index(F('settled_at'), F('code'), condition=Q(status='failed'), name='payment_failed'),
        ),
        # The list of refunds: ORDER BY created_at DESC, id DESC. Two or three entries per refund.
        AddIndexOnline(
            model_name='refund',
            index=models.Index(F('created_at').desc(), F('id').desc(), name='refund_newest'),
        ),
        # Filter by verdict: verdict = 'foreign' ORDER BY id DESC. Nothing for the other webhooks.
        AddIndexOnline(
            model_name='webhook',
            index=models.Index(
                F('verdict'), F('id').desc(), condition=Q(verdict__in=['kept', 'foreign']), name='webhook_by_verdict'
            ),
        ),
    ]
