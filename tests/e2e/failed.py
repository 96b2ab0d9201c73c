"""Failed payments as they stand a while after their decline, without the worker that would have to make them."""

from tests.e2e.deployment import Deployment

STATEMENT = """
WITH made AS (SELECT 'failed_' || n AS name, gen_random_uuid() AS id FROM generate_series(1, %s) AS n),
subscriptions AS (INSERT INTO payments_subscription (id) SELECT name FROM made RETURNING id),
payments AS (
    INSERT INTO payments_payment (id, subscription_id, number, subscription_as_sent, user_as_sent, user_id, email,
        price, amount, currency, payment_method, customer, asked_by, next_payment_method, status, fault, kind, code,
        reason, attention, intent_customer, account_id, refunded, deliveries, looks, traceparent, created_at,
        accepted_at, settled_at)
    SELECT id, name, 1, to_jsonb(name), '{}', 'u', '', 100, 10000, 'KZT', 'pm_1', '', 'event', '', 'failed', 'issuer',
        'soft', 'processing_error', 'Try later.', '', '', '', 0, 0, 0, '', now(), now(), now()
    FROM made RETURNING id)
INSERT INTO payments_transition (payment_id, from_status, to_status, attempt_state, who, why, evidence, at)
SELECT id, '', 'failed', '', 'event', 'made by a test', '{}', now() FROM made RETURNING id
"""


def make_failed(deployment: Deployment, count: int) -> None:
    """So many, of subscriptions `failed_1`, `failed_2`, …; their cards would pay now."""
    deployment.rows(STATEMENT, count)
