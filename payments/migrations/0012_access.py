"""The staff log, append-only as a payment's history is, and the groups of the support desk."""

import django.db.models.deletion
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

# As payments_transition_append_only in 0002, by the same function.
REFUSE = """
CREATE TRIGGER payments_staffentry_append_only BEFORE UPDATE OR DELETE ON payments_staffentry
    FOR EACH ROW EXECUTE FUNCTION payments_refuse_rewriting();
"""
ALLOW = "DROP TRIGGER payments_staffentry_append_only ON payments_staffentry;"

# What each group had when this was written; today's is in billing_project/access/groups.py, and
# `manage.py staff_groups` brings it here. Each may also look at everything but the staff log.
GROUPS = {
    "Support": ["retry_payment", "refresh_payment", "notify_payment", "replay_record", "see_personal_data"],
    "Finance": ["refund_payment", "settle_break", "export_payment", "see_personal_data"],
    "Lead": [
        "approve_job", "close_payment", "reissue_payment", "correct_record", "dismiss_record", "see_personal_data",
        "view_staffentry",
    ],
}


def make_groups(apps, schema_editor):
    """A group that somebody made under such a name keeps what it has, and gets ours."""
    database = schema_editor.connection.alias
    payments = apps.get_app_config("payments")
    # Django makes permissions after the last migration only; and for nothing without this.
    payments.models_module = True
    create_permissions(payments, apps=apps, using=database, verbosity=0)
    payments.models_module = None
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    of_payments = Permission.objects.using(database).filter(content_type__app_label="payments")
    look = of_payments.filter(codename__startswith="view_").exclude(codename="view_staffentry")
    for name, codenames in GROUPS.items():
        group, _ = Group.objects.using(database).get_or_create(name=name)
        group.permissions.add(*look, *of_payments.filter(codename__in=codenames))


class Migration(migrations.Migration):

    dependencies = [
        ("payments", "0011_dashboard"),
        ('auth', '0012_alter_user_first_name_max_length'),
        ('contenttypes', '0002_remove_content_type_name'),
    ]

    operations = [
        migrations.CreateModel(
            name='StaffEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('who', models.TextField(help_text="'staff: ' and the name that they log in with")),
                ('what', models.TextField(choices=[('opened', 'opened a page with personal data'), ('searched', 'searched'), ('exported', 'exported a list'), ('acted', 'acted'), ('approved', 'approved what somebody else asked for'), ('rejected', 'rejected what somebody else asked for'), ('logged_in', 'logged in'), ('locked_out', 'was locked out after failed logins')])),
                ('details', models.JSONField(default=dict, help_text='ids, names of pages and actions, counts; no personal data')),
                ('payment', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='staff_entries', to='payments.payment')),
            ],
            options={
                'verbose_name': 'staff log entry',
                'verbose_name_plural': 'staff log',
                'default_permissions': ('view',),
                'indexes': [models.Index(models.F('payment'), models.F('id'), condition=models.Q(('payment__isnull', False)), name='staff_entry_by_payment'), models.Index(models.F('who'), models.F('at'), name='staff_entry_by_who'), models.Index(models.F('at'), name='staff_entry_by_time')],
                'constraints': [models.CheckConstraint(condition=models.Q(('what__in', ['opened', 'searched', 'exported', 'acted', 'approved', 'rejected', 'logged_in', 'locked_out'])), name='staff_entry_what'), models.CheckConstraint(condition=models.Q(('who', ''), _negated=True), name='staff_entry_says_who')],
            },
        ),
        migrations.RunSQL(REFUSE, ALLOW),
        migrations.RunPython(make_groups, migrations.RunPython.noop),
    ]
