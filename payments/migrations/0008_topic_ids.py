"""A record's place has the id of its topic: one that was deleted and made anew has other records at the same offsets.

Rows of before have no id; `payments.intake.positions.find_forgotten` says whose they are. The new constraints come before the
old ones go, so that no row is ever without; the inbox can't be written meanwhile (some seconds per million rows). A
bridge of the version before can't write positions any more and ends; what it had in hand is read again.
"""

from django.db import migrations, models

TOPIC_ID = "Kafka's id of the topic, another one when it is made anew; empty: from before ids were kept"


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0007_lists_in_order'),
    ]

    operations = [
        migrations.AddField(
            model_name='inboxmessage',
            name='topic_id',
            field=models.TextField(blank=True, db_default='', default='', help_text=TOPIC_ID),
        ),
        migrations.AddField(
            model_name='position',
            name='first_offset',
            field=models.BigIntegerField(help_text='read from here; None: not noted, by an older version', null=True),
        ),
        migrations.AddField(
            model_name='position',
            name='topic_id',
            field=models.TextField(blank=True, db_default='', default='', help_text=TOPIC_ID),
        ),
        migrations.AddConstraint(
            model_name='inboxmessage',
            constraint=models.UniqueConstraint(models.F('cluster'), models.F('topic'), models.F('topic_id'), models.F('partition'), models.F('offset'), models.F('value_hash'), name='inbox_one_per_place'),
        ),
        migrations.AddConstraint(
            model_name='position',
            constraint=models.UniqueConstraint(models.F('cluster'), models.F('topic'), models.F('topic_id'), models.F('partition'), name='position_one_per_place'),
        ),
        migrations.RemoveConstraint(
            model_name='inboxmessage',
            name='inbox_one_per_record',
        ),
        migrations.RemoveConstraint(
            model_name='position',
            name='position_one_per_partition',
        ),
    ]
