"""Which payment a charge of Stripe's belongs to. Built while payments go on."""

from django.db import migrations, models
from django.db.models import Q

from payments.migrations._online import AddIndexOnline


class Migration(migrations.Migration):

    atomic = False

    dependencies = [("payments", "0012_access")]

    operations = [
        AddIndexOnline(
            "attempt",
            models.Index("charge_id", name="attempt_by_charge", condition=~Q(charge_id="")),
        ),
    ]
