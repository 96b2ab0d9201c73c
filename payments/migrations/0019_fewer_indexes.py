"""Indexes that nobody reads: each is the beginning of another one, or is made for LIKE, which is asked of none of them.

A payment had to enter six of them on its way, of some thirty. Concurrently, so that nobody waits.
"""

from django.db import migrations, models

UNREAD = {
    # (subscription_id, number)
    "payments_payment_subscription_id_4cc8f173": ("payments_payment", "subscription_id"),
    "payments_payment_subscription_id_4cc8f173_like": ("payments_payment", "subscription_id text_pattern_ops"),
    # (payment_id, number)
    "payments_attempt_payment_id_a18ea4ce": ("payments_attempt", "payment_id"),
    # (payment_id, id)
    "payments_transition_payment_id_fe12c9e4": ("payments_transition", "payment_id"),
    "payments_inboxmessage_subscription_id_2b3c5985_like": ("payments_inboxmessage", "subscription_id text_pattern_ops"),
    "payments_subscription_id_984855fe_like": ("payments_subscription", "id text_pattern_ops"),
}


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("payments", "0018_failures_and_amounts"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name=model,
                    name=name,
                    field=models.ForeignKey(
                        db_index=False, on_delete=models.PROTECT, related_name=others, to=f"payments.{target}",
                    ),
                )
                for model, name, others, target in (
                    ("payment", "subscription", "payments", "subscription"),
                    ("attempt", "payment", "attempts", "payment"),
                    ("transition", "payment", "history", "payment"),
                )
            ],
            database_operations=[
                migrations.RunSQL(
                    f"DROP INDEX CONCURRENTLY IF EXISTS {name}",
                    reverse_sql=f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {table} ({columns})",
                )
                for name, (table, columns) in UNREAD.items()
            ],
        ),
    ]
