from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("payments", "0012_access")]

    operations = [
        migrations.AddIndex(
            "attempt",
            models.Index("charge_id", name="attempt_by_charge", condition=~Q(charge_id="")),
        ),
    ]
