"""The cards of attempts, for the admin's lists; their indexes are made in 0016, while payments go on."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("payments", "0009_jobs"),
    ]

    operations = [
        # Of an attempt that another version settles, both stay empty.
        migrations.AddField(
            model_name='attempt',
            name='brand',
            field=models.TextField(blank=True, db_default='', default='', help_text='of the card, where Stripe told'),
        ),
        migrations.AddField(
            model_name='attempt',
            name='last4',
            field=models.TextField(blank=True, db_default='', default='', help_text='of the card, where Stripe told'),
        ),
    ]
