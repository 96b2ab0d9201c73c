"""What may be removed, and what stays known of it; and the one way in which history may be blanked.

An erasure replaces personal data in free texts of a payment's history by `[erased]`, and nothing else: the new text
must be the old one with pieces blanked, in the very transaction that writes the row saying who erased and why.
Nothing that is there is changed; a bridge of the version before goes on meanwhile.
"""

from django.db import migrations, models
from django.db.models import Q

import payments.models.retention

# As a function of its own, so that Django's migrations can say it as a default.
THIS_TRANSACTION = """
CREATE FUNCTION payments_this_transaction() RETURNS bigint LANGUAGE sql STABLE AS
    $$ SELECT pg_current_xact_id()::text::bigint $$;
"""
NO_TRANSACTION = "DROP FUNCTION payments_this_transaction();"

HOLD = r"""
CREATE FUNCTION payments_is_blanked(was text, becomes text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT was = becomes OR was LIKE
        replace(replace(replace(replace(becomes, '\', '\\'), '%', '\%'), '_', '\_'), '[erased]', '%')
$$;
CREATE FUNCTION payments_refuse_but_erasing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE'
        AND to_jsonb(OLD) - 'why' - 'evidence' = to_jsonb(NEW) - 'why' - 'evidence'
        AND payments_is_blanked(OLD.why, NEW.why) AND payments_is_blanked(OLD.evidence::text, NEW.evidence::text)
        AND EXISTS (SELECT FROM payments_erasure WHERE transaction = payments_this_transaction())
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the history of payments is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
DROP TRIGGER payments_transition_append_only ON payments_transition;
CREATE TRIGGER payments_transition_append_only BEFORE UPDATE OR DELETE ON payments_transition
    FOR EACH ROW EXECUTE FUNCTION payments_refuse_but_erasing();
CREATE TRIGGER payments_erasure_append_only BEFORE UPDATE OR DELETE ON payments_erasure
    FOR EACH ROW EXECUTE FUNCTION payments_refuse_rewriting();
"""
RELEASE = """
DROP TRIGGER payments_erasure_append_only ON payments_erasure;
DROP TRIGGER payments_transition_append_only ON payments_transition;
CREATE TRIGGER payments_transition_append_only BEFORE UPDATE OR DELETE ON payments_transition
    FOR EACH ROW EXECUTE FUNCTION payments_refuse_rewriting();
DROP FUNCTION payments_refuse_but_erasing();
DROP FUNCTION payments_is_blanked(text, text);
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0014_statement")]

    operations = [
        migrations.RunSQL(THIS_TRANSACTION, NO_TRANSACTION),
        migrations.CreateModel(
            name="Pruned",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("what", models.TextField(help_text="inbox, outbox, webhooks, jobs or personal", unique=True)),
                ("before", models.DateTimeField(help_text="older rows may be gone; never goes back")),
                ("rows", models.BigIntegerField(default=0, help_text="how many were removed, or emptied, in all")),
                ("pruned_at", models.DateTimeField(help_text="when it was last run to its end", null=True)),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="Erasure",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("user_id", models.TextField(help_text="canonical text; it stays in the ledger")),
                ("who", models.TextField()),
                ("why", models.TextField()),
                ("at", models.DateTimeField()),
                (
                    "transaction",
                    models.BigIntegerField(
                        db_default=models.Func(
                            function="payments_this_transaction", output_field=models.BigIntegerField()
                        ),
                        help_text="PostgreSQL's number of the transaction that wrote it",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(models.F("user_id"), name="erasure_by_user"),
                    models.Index(models.OrderBy(models.F("transaction"), descending=True), name="erasure_by_transaction"),
                ],
                "constraints": [
                    models.CheckConstraint(condition=~Q(who="") & ~Q(why=""), name="erasure_says_who_and_why"),
                ],
            },
        ),
        migrations.AddField(
            model_name="position",
            name="pruned",
            field=payments.models.retention.OffsetSpans(
                db_default=models.Value("{}"), default="{}", help_text="offsets whose rows were removed"
            ),
        ),
        migrations.RunSQL(HOLD, RELEASE),
    ]
