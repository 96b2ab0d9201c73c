-- One hand at a psql prompt for each check of payments/audit/checks.sql, by its name: what it is to find.

-- one open payment
DROP INDEX payment_one_open;
UPDATE payments_payment SET subscription_id = 'poor', number = 2 WHERE subscription_id = 'paid';

-- paid once
DROP INDEX payment_one_open;
UPDATE payments_payment SET subscription_id = 'paid', number = 2, status = 'success', due_at = NULL, retry_at = NULL
WHERE subscription_id = 'poor';

-- one payment per intent
DROP INDEX payment_one_per_intent;
UPDATE payments_payment SET intent_id = (SELECT intent_id FROM payments_payment WHERE subscription_id = 'paid')
WHERE subscription_id = 'poor';

-- one attempt under way
DROP INDEX attempt_one_open;
UPDATE payments_attempt SET number = number + 1;
INSERT INTO payments_attempt (payment_id, number, asked_by, state, payment_method, request, idempotency_key, key_is_spent,
    in_doubt, tries, code, decline_code, advice_code, network_advice_code, network_decline_code, charge_id, card,
    request_id, created_at)
SELECT payment_id, 1, 'event', 'sending', '', '{}', '', false, false, 0, '', '', '', '', '', '', '', '', created_at
FROM payments_attempt WHERE state = 'unknown';

-- closed rests
ALTER TABLE payments_payment DROP CONSTRAINT payment_closed_rests;
UPDATE payments_payment SET due_at = now() WHERE subscription_id = 'closed';

-- accepted is a payment
UPDATE payments_inboxmessage SET payment_id = (SELECT id FROM payments_payment WHERE subscription_id = 'paid')
WHERE subscription_id = 'poor';

-- one verdict per place
UPDATE payments_inboxmessage SET topic_id = 'T', "offset" = 7 WHERE verdict = 'accepted';

-- rows behind the position
UPDATE payments_position SET next_offset = next_offset - 1;

-- parked is told
DELETE FROM payments_outboxmessage
WHERE id = (SELECT max(id) FROM payments_outboxmessage WHERE channel = 'dead_letters');

-- success is proven
UPDATE payments_attempt SET state = 'declined'
WHERE payment_id = (SELECT id FROM payments_payment WHERE subscription_id = 'paid');

-- a success is believed
UPDATE payments_attempt SET state = 'succeeded'
WHERE payment_id = (SELECT id FROM payments_payment WHERE subscription_id = 'poor');

-- failure says why
ALTER TABLE payments_payment DROP CONSTRAINT payment_failed_says_why;
UPDATE payments_payment SET fault = '' WHERE subscription_id = 'poor';

-- history is whole
DELETE FROM payments_transition WHERE id = (
    SELECT max(id) FROM payments_transition
    WHERE payment_id = (SELECT id FROM payments_payment WHERE subscription_id = 'poor'));

-- refunds within the charge
INSERT INTO payments_refund (id, payment_id, amount, asked_by, reason, state, refund_id, idempotency_key, key_is_spent,
    in_doubt, tries, code, attention, request_id, created_at, ended_at)
SELECT gen_random_uuid(), id, 10001, 'aida', '', 'succeeded', 're_1', '', false, false, 0, '', '', '', settled_at,
    settled_at
FROM payments_payment WHERE subscription_id = 'paid';

-- refunds add up
UPDATE payments_payment SET refunded = refunded - 1 WHERE subscription_id = 'paid';

-- outcomes are told
DELETE FROM payments_outboxmessage
WHERE payment_id = (SELECT id FROM payments_payment WHERE subscription_id = 'paid');

-- the relay publishes
UPDATE payments_outboxmessage SET published_at = NULL;

-- refused is told again
UPDATE payments_outboxmessage SET published_at = NULL, refused_at = created_at
WHERE payment_id = (SELECT id FROM payments_payment WHERE subscription_id = 'paid');

-- unknown is shown
SELECT 'as it is, later';

-- somebody's turn comes
UPDATE payments_attempt SET state = 'rejected', ended_at = created_at WHERE state = 'unknown';

-- refunds are shown
INSERT INTO payments_refund (id, payment_id, amount, asked_by, reason, state, idempotency_key, key_is_spent, in_doubt,
    tries, code, attention, request_id, due_at, created_at)
SELECT gen_random_uuid(), id, 100, 'aida', '', 'unknown', '', false, true, 1, '', '', '', settled_at, settled_at
FROM payments_payment WHERE subscription_id = 'paid';
