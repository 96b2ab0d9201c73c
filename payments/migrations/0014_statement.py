"""Statements and the lines of Stripe's balance that they are made of; those who keep the books may see them."""

from django.contrib.auth.management import create_permissions
from django.db import migrations, models
from django.db.models import F, Q


def let_finance_look(apps, schema_editor):
    """Of the groups only Finance, if it is there: `manage.py staff_groups` makes one that is not."""
    database = schema_editor.connection.alias
    payments = apps.get_app_config("payments")
    # As in 0012: Django makes permissions after the last migration only; and for nothing without this.
    payments.models_module = True
    create_permissions(payments, apps=apps, using=database, verbosity=0)
    payments.models_module = None
    group = apps.get_model("auth", "Group").objects.using(database).filter(name="Finance").first()
    found = apps.get_model("auth", "Permission").objects.using(database).filter(
        content_type__app_label="payments", codename__in=["view_statement", "view_balanceline"]
    )
    if group:
        group.permissions.add(*found)


class Migration(migrations.Migration):

    dependencies = [("payments", "0013_story")]

    operations = [
        migrations.CreateModel(
            name="BalanceLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("line_id", models.TextField(help_text="Stripe's")),
                ("category", models.TextField(help_text="Stripe's reporting category: charge, refund, dispute, payout, …")),
                ("gross", models.BigIntegerField(help_text="in minor units of settled_in; below zero where money leaves")),
                ("fee", models.BigIntegerField(help_text="what Stripe has kept of it")),
                ("net", models.BigIntegerField(help_text="gross less fee")),
                ("settled_in", models.CharField(help_text="the currency of the balance", max_length=3)),
                ("exchange_rate", models.DecimalField(decimal_places=15, help_text="None: not converted", max_digits=30, null=True)),
                ("source_id", models.TextField(blank=True, default="", help_text="the charge, refund, dispute, payout, …")),
                ("intent_id", models.TextField(blank=True, default="", help_text="the PaymentIntent that it is about")),
                ("payment", models.TextField(blank=True, default="", help_text="the payment that the charge's metadata names")),
                ("amount", models.BigIntegerField(help_text="in minor units of what the customer pays in", null=True)),
                ("currency", models.CharField(blank=True, default="", help_text="that currency", max_length=3)),
                ("created_at", models.DateTimeField(help_text="Stripe's time, which says of which month it is")),
            ],
            options={
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(F("created_at"), F("id").desc(), name="balance_line_of_month"),
                    models.Index("intent_id", name="balance_line_by_intent", condition=Q(category="charge")),
                    models.Index("source_id", "category", name="balance_line_by_source"),
                ],
                "constraints": [
                    models.UniqueConstraint("line_id", name="balance_line_once"),
                    models.CheckConstraint(condition=Q(net=F("gross") - F("fee")), name="balance_line_adds_up"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Statement",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("month", models.DateField(help_text="its first day")),
                ("asked_by", models.TextField(help_text="'schedule' or who of the staff")),
                ("account_id", models.TextField(blank=True, default="", help_text="the Stripe account whose balance it is")),
                ("until_at", models.DateTimeField(help_text="read up to then: the month's end, or earlier where it wasn't over")),
                ("cursor", models.TextField(blank=True, default="", help_text="the last of Stripe's lines that is done")),
                ("lines", models.PositiveIntegerField(default=0, help_text="read so far")),
                ("began_at", models.DateTimeField()),
                ("due_at", models.DateTimeField(help_text="goes on from then on; None: it is made", null=True)),
                ("ended_at", models.DateTimeField(help_text="made", null=True)),
                ("problem", models.TextField(blank=True, default="", help_text="why it waits")),
                ("result", models.JSONField(default=dict, help_text="sums and differences; of the time before while it is made anew")),
            ],
            options={
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint("month", name="statement_one_a_month"),
                    models.CheckConstraint(condition=Q(month__day=1), name="statement_month_begins"),
                    models.CheckConstraint(
                        condition=Q(ended_at__isnull=True, due_at__isnull=False)
                        | Q(ended_at__isnull=False, due_at__isnull=True),
                        name="statement_made_or_due",
                    ),
                ],
            },
        ),
        migrations.RunPython(let_finance_look, migrations.RunPython.noop),
    ]
