"""What the states may become, held by the database itself: no code and nobody at a psql prompt can take a step back.

The tables below say all that is allowed; a test walks every pair and holds them against the tables in the code.
Each rule is the WHEN of a trigger, so that a step that is allowed costs one comparison, and the function only ever
runs to refuse. TRUNCATE, and sessions with `session_replication_role = replica` (restores), are not held up.
"""

from django.db import migrations

PAYMENT = {
    "pending": ["success", "failed"],
    "failed": ["pending", "success"],
    "success": [],
}
ATTEMPT = {
    "sending": ["unknown", "processing", "action_required", "succeeded", "declined", "rejected", "superseded"],
    "unknown": ["processing", "action_required", "succeeded", "declined", "rejected", "superseded"],
    "processing": ["unknown", "action_required", "succeeded", "declined", "rejected", "superseded"],
    "action_required": ["succeeded", "superseded"],
    "succeeded": [],
    "declined": [],
    "rejected": [],
    "refused": [],
    "superseded": [],
}
REFUND = {
    "sending": ["unknown", "pending", "succeeded", "failed", "canceled", "rejected"],
    "unknown": ["pending", "succeeded", "failed", "canceled", "rejected"],
    "pending": ["succeeded", "failed", "canceled"],
    "succeeded": ["failed"],
    "failed": [],
    "canceled": [],
    "rejected": [],
}
ATTEMPT_OPEN = ["sending", "unknown", "processing"]
REFUND_OPEN = ["sending", "unknown", "pending"]

# TG_ARGV: the rule for a person, then the columns that it is about. Values of states are named, no others: an
# error ends up in logs.
FUNCTION = """
CREATE FUNCTION payments_refuse_step() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was jsonb := COALESCE(to_jsonb(OLD), '{}');
    becomes jsonb := COALESCE(to_jsonb(NEW), '{}');
    state text := CASE TG_ARGV[1] WHEN 'status' THEN 'status' WHEN 'state' THEN 'state' END;
    about text := COALESCE(was ->> 'id', becomes ->> 'id', '');
    changed text;
BEGIN
    IF state IS NOT NULL AND was ->> state IS DISTINCT FROM becomes ->> state THEN
        RAISE EXCEPTION '% of %: no arrow leads from % to %: %',
            TG_TABLE_NAME, about, COALESCE(was ->> state, 'nothing'), COALESCE(becomes ->> state, 'nothing'), TG_ARGV[0]
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME;
    END IF;
    SELECT string_agg(one, ', ') INTO changed FROM unnest(TG_ARGV[1:]) AS one
        WHERE was -> one IS DISTINCT FROM becomes -> one;
    RAISE EXCEPTION '% of %: %: %', TG_TABLE_NAME, about, COALESCE(changed, TG_OP), TG_ARGV[0]
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME;
END $$;
"""


def literals(values):
    return ", ".join(f"'{value}'" for value in values)


def no_arrow(column, table):
    pairs = ", ".join(f"('{source}', '{target}')" for source, targets in table.items() for target in targets)
    return f"OLD.{column} <> NEW.{column} AND (OLD.{column}, NEW.{column}) NOT IN ({pairs})"


def changes(*columns):
    return " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns)


def set_before(*columns, empty="NULL"):
    """Changes of what was set already; `empty` is how a column says that it isn't."""
    is_set = "IS NOT NULL" if empty == "NULL" else f"<> {empty}"
    return " OR ".join(f"(OLD.{one} {is_set} AND OLD.{one} IS DISTINCT FROM NEW.{one})" for one in columns)


PAYMENT_IDENTITY = ("id", "subscription_id", "number", "price", "amount", "currency", "user_id", "created_at")
ATTEMPT_IDENTITY = ("id", "payment_id", "number", "request", "created_at")
REFUND_IDENTITY = ("id", "payment_id", "amount", "asked_by", "created_at")

# Name of the trigger, table, columns (the state first, where the rule is about states), condition, the rule.
UPDATES = [
    ("payment_arrow", "payment", ("status",), no_arrow("status", PAYMENT),
     "success never changes, and nothing comes from nowhere"),
    # P1: the proof rests on it. CHECK payment_closed_rests holds the rest of a closed payment.
    ("payment_closed_for_good", "payment", ("status", "closed_at", "intent_id"),
     f"OLD.closed_at IS NOT NULL AND ({changes('status', 'closed_at', 'intent_id')})", "a closed payment is closed for good"),
    # P1: one payment, one PaymentIntent.
    ("payment_bound_for_good", "payment", ("intent_id", "account_id", "livemode"),
     f"{set_before('intent_id', 'livemode')} OR {set_before('account_id', empty=repr(''))}", "what is bound is bound for good"),
    ("payment_identity", "payment", PAYMENT_IDENTITY, changes(*PAYMENT_IDENTITY), "never changes"),
    ("attempt_arrow", "attempt", ("state",), no_arrow("state", ATTEMPT), "what is proven stays proven"),
    # The frozen request, and what was sent under which key: sent again byte for byte, or believed wrongly.
    ("attempt_identity", "attempt", ATTEMPT_IDENTITY, changes(*ATTEMPT_IDENTITY), "never changes"),
    ("attempt_key_while_open", "attempt", ("idempotency_key",),
     f"OLD.state NOT IN ({literals(ATTEMPT_OPEN)}) AND ({changes('idempotency_key')})", "changes only while it is open"),
    # P3: a refusal is believed only where no confirm is in doubt, so that no doubt may be forgotten.
    ("attempt_sent_for_good", "attempt", ("sent_at", "in_doubt"),
     f"{set_before('sent_at')} OR (OLD.in_doubt AND NOT NEW.in_doubt)", "what may have left can't be taken back"),
    ("refund_arrow", "refund", ("state",), no_arrow("state", REFUND), "what is proven stays proven"),
    ("refund_identity", "refund", REFUND_IDENTITY, changes(*REFUND_IDENTITY), "never changes"),
    ("refund_known_for_good", "refund", ("refund_id",), set_before("refund_id"), "Stripe's id, once known, never changes"),
    ("refund_key_while_open", "refund", ("idempotency_key",),
     f"OLD.state NOT IN ({literals(REFUND_OPEN)}) AND ({changes('idempotency_key')})", "changes only while it is open"),
    # P1: by it a rewound topic charges nobody.
    ("subscription_judged_onward", "subscription", ("judged_until",),
     "OLD.judged_until IS NOT NULL AND (NEW.judged_until IS NULL OR NEW.judged_until < OLD.judged_until)", "never goes back"),
]  # fmt: skip

# An attempt begins with the intention to send, or is refused before anything is sent.
INSERTS = [("attempt_begins", "attempt", ("state",), "NEW.state NOT IN ('sending', 'refused')", "no attempt begins so")]

KEPT = ("payment", "attempt", "refund", "subscription")


def trigger(name, when, table, columns, condition, rule):
    arguments = literals([rule.replace("'", "''"), *columns])
    clause = f" WHEN ({condition})" if condition else ""
    return (
        f"CREATE TRIGGER {name} BEFORE {when} ON payments_{table} FOR EACH ROW{clause} "
        f"EXECUTE FUNCTION payments_refuse_step({arguments});"
    )


HOLD = [
    FUNCTION,
    *(trigger(name, f"UPDATE OF {', '.join(of)}", table, of, when, rule) for name, table, of, when, rule in UPDATES),
    *(trigger(name, "INSERT", table, of, when, rule) for name, table, of, when, rule in INSERTS),
    *(trigger(f"{table}_is_kept", "DELETE", table, (), "", "the ledger is kept") for table in KEPT),
]
NAMES = [(row[0], row[1]) for row in UPDATES + INSERTS] + [(f"{table}_is_kept", table) for table in KEPT]
RELEASE = [f"DROP TRIGGER {name} ON payments_{table};" for name, table in NAMES] + [
    "DROP FUNCTION payments_refuse_step();"
]


class Migration(migrations.Migration):
    dependencies = [("payments", "0004_refunds_within_charge")]
    operations = [migrations.RunSQL(HOLD, RELEASE)]
