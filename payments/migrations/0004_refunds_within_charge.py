"""The sum of a payment's refunds can't exceed what was charged, however many ask at once.

Under the payment's row lock, so that two that are asked for side by side are counted one after the other. What
Stripe tells of its own refunds is a fact and is not refused: Stripe has held the sum by itself.
"""

from django.db import migrations

HOLD = """
CREATE FUNCTION payments_refunds_within_charge() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    charged bigint;
    asked bigint;
BEGIN
    IF NEW.asked_by = 'stripe' OR NEW.state IN ('failed', 'canceled', 'rejected') THEN
        RETURN NEW;
    END IF;
    SELECT amount INTO charged FROM payments_payment WHERE id = NEW.payment_id FOR UPDATE;
    SELECT COALESCE(SUM(amount), 0) INTO asked FROM payments_refund
        WHERE payment_id = NEW.payment_id AND id <> NEW.id AND state NOT IN ('failed', 'canceled', 'rejected');
    IF asked + NEW.amount > charged THEN
        RAISE EXCEPTION 'refunds of % in all exceed the charge of %', asked + NEW.amount, charged
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_within_charge';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payments_refund_within_charge BEFORE INSERT OR UPDATE OF amount, payment_id ON payments_refund
    FOR EACH ROW EXECUTE FUNCTION payments_refunds_within_charge();
"""
RELEASE = """
DROP TRIGGER payments_refund_within_charge ON payments_refund;
DROP FUNCTION payments_refunds_within_charge();
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0003_refunds_and_breaks")]
    operations = [migrations.RunSQL(HOLD, RELEASE)]
