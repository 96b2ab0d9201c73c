"""History is only ever added to: not even our own code, or a person at a psql prompt, may rewrite it."""

from django.db import migrations

REFUSE = """
CREATE FUNCTION payments_refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the history of payments is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER payments_transition_append_only BEFORE UPDATE OR DELETE ON payments_transition
    FOR EACH ROW EXECUTE FUNCTION payments_refuse_rewriting();
"""
ALLOW = """
DROP TRIGGER payments_transition_append_only ON payments_transition;
DROP FUNCTION payments_refuse_rewriting();
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_ledger")]
    operations = [migrations.RunSQL(REFUSE, ALLOW)]
