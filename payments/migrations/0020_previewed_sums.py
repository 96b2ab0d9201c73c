"""What a preview counted for an item is kept with it, so that a refund is of the sum that was seen and approved.

Of an item that another version previews it stays empty: all that is left goes back, as before.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("payments", "0019_fewer_indexes"),
    ]

    operations = [
        migrations.AddField(
            model_name='jobitem',
            name='takes',
            field=models.BigIntegerField(help_text='minor units that the preview counted for it', null=True),
        ),
    ]
