-- A ledger of :size payments over 90 days until :now, spread as a shop's would be. Each statement is named above it.
-- Constraints and triggers hold here as anywhere; the same size and moment give the same rows.

-- dice
-- One throw for row n: 0 to sides - 1; another seed is another dice.
CREATE FUNCTION pg_temp.dice(n bigint, seed int, sides int) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT abs(hashint8extended(n, seed) %% sides)::int $$;

-- draw
CREATE TEMPORARY TABLE draw AS
WITH thrown AS (
    SELECT n,
        CASE WHEN pg_temp.dice(n, 1, 5) = 0 THEN (7000000 + n)::text ELSE 'sub_' || n END AS subscription,
        pg_temp.dice(n, 2, %(size)s * 3 / 4 + 1) AS person,
        %(now)s::timestamptz - interval '90 days' * (1 - n::float8 / %(size)s) AS made_at,
        CASE WHEN n > %(size)s - %(size)s / 10000 - 5 OR pg_temp.dice(n, 3, 4000) = 0 THEN 'pending'
            WHEN pg_temp.dice(n, 3, 100) < 13 THEN 'failed' ELSE 'success' END AS status,
        (ARRAY['KZT','KZT','KZT','KZT','KZT','KZT','KZT','KZT','KZT','KZT','KZT','KZT','KZT','KZT','USD','USD','USD',
            'EUR','EUR','RUB'])[1 + pg_temp.dice(n, 4, 20)] AS common,
        CASE WHEN pg_temp.dice(n, 5, 500) = 0 THEN (ARRAY['JPY','KWD','UZS','KGS'])[1 + pg_temp.dice(n, 6, 4)] END AS rare,
        pg_temp.dice(n, 7, 100) AS failure,
        1 + (pg_temp.dice(n, 8, 7) = 0)::int + (pg_temp.dice(n, 9, 40) = 0)::int AS tries,
        (ARRAY[490, 990, 1490, 1990, 2990, 4990, 9990, 14990, 29990, 48000])[1 + pg_temp.dice(n, 10, 10)]
            + CASE WHEN pg_temp.dice(n, 11, 3) = 0 THEN pg_temp.dice(n, 12, 9000) ELSE 0 END AS units
    FROM generate_series(1, %(size)s) AS n
)
SELECT n, md5('payment/' || n)::uuid AS id, subscription, person, 'u_' || person AS user_id, made_at, status, failure,
    CASE WHEN pg_temp.dice(n, 13, 20) = 0 THEN '' ELSE 'person.' || person || '@example.kz' END AS email,
    COALESCE(rare, common) AS currency,
    units * CASE COALESCE(rare, common) WHEN 'JPY' THEN 1 WHEN 'KWD' THEN 1000 ELSE 100 END::bigint AS amount,
    units AS price,
    'pi_' || substr(md5('intent/' || n), 1, 24) AS intent,
    CASE WHEN status = 'success' THEN tries ELSE LEAST(3, tries + pg_temp.dice(n, 14, 2)) END AS tries,
    made_at + interval '1 second' * (2 + pg_temp.dice(n, 15, 3)) AS settled_at,
    lpad(pg_temp.dice(person, 16, 10000)::text, 4, '0') AS last4,
    (ARRAY['visa','visa','visa','mastercard','mastercard','amex'])[1 + pg_temp.dice(person, 17, 6)] AS brand,
    status = 'failed' AND pg_temp.dice(n, 18, 30) = 0 AS closed,
    status = 'success' AND pg_temp.dice(n, 19, 40) = 0 AS refunded,
    status = 'success' AND pg_temp.dice(n, 20, 300) = 0 AS disputed
FROM thrown;

-- index of the draw
CREATE INDEX ON draw (n);
ANALYZE draw;

-- subscriptions
INSERT INTO payments_subscription (id, judged_until) SELECT subscription, made_at FROM draw;

-- payments
INSERT INTO payments_payment (id, subscription_id, number, subscription_as_sent, user_as_sent, user_id, email, price,
    amount, currency, payment_method, customer, asked_by, next_payment_method, status, fault, kind, code, reason,
    attention, intent_id, intent_customer, account_id, livemode, refunded, disputed_at, retry_at, due_at, deliveries,
    looks, traceparent, created_at, accepted_at, settled_at, closed_at)
SELECT draw.id, subscription, 1, to_jsonb(subscription), jsonb_build_object('id', user_id, 'email', email), user_id, email,
    price, amount, currency, 'pm_' || substr(md5('method/' || person), 1, 24), 'cus_' || person, 'event', '',
    status, COALESCE(fault, ''), COALESCE(kind, ''), COALESCE(failure.decline_code, ''), COALESCE(reason, ''),
    CASE WHEN status = 'pending' AND n < %(size)s - %(size)s / 10000 - 5 THEN 'its outcome is still unknown'
        WHEN status = 'success' AND pg_temp.dice(n, 21, 2000) = 0 THEN 'Stripe''s books differ: look at the break'
        ELSE '' END,
    CASE WHEN status <> 'pending' OR pg_temp.dice(n, 22, 2) = 0 THEN intent END, '', 'acct_1', false,
    CASE WHEN NOT refunded THEN 0 WHEN pg_temp.dice(n, 23, 3) = 0 THEN amount / 2 ELSE amount END,
    CASE WHEN disputed THEN settled_at + interval '20 days' END,
    CASE WHEN kind = 'soft' AND NOT closed AND n > %(size)s * 0.97 AND pg_temp.dice(n, 24, 2) = 0
        THEN %(now)s::timestamptz + interval '1 day' END,
    CASE WHEN status = 'pending' THEN %(now)s::timestamptz + interval '1 hour'
        WHEN kind = 'soft' AND NOT closed AND n > %(size)s * 0.97 AND pg_temp.dice(n, 24, 2) = 0
            THEN %(now)s::timestamptz + interval '1 day'
        WHEN status = 'failed' AND NOT closed AND n > %(size)s * 0.99 THEN %(now)s::timestamptz + interval '1 hour' END,
    0, 0, '', made_at, made_at + interval '1 second', CASE WHEN status <> 'pending' THEN settled_at END,
    CASE WHEN closed THEN settled_at + interval '1 day' END
FROM draw LEFT JOIN failure ON status = 'failed' AND place = draw.failure
ORDER BY n;

-- attempts' states watched
-- Empty, but a row whose state changes is written anew where every index finds it. One that had stayed in its page would keep
-- the transaction that makes the other indexes again from using them.
CREATE INDEX state_watched ON payments_attempt (id) WHERE state = '';

-- attempts, begun
INSERT INTO payments_attempt (payment_id, number, asked_by, state, payment_method, request, idempotency_key, key_made_at,
    key_is_spent, sent_at, in_doubt, tries, code, decline_code, advice_code, network_advice_code, network_decline_code,
    charge_id, card, request_id, created_at, ended_at)
SELECT id, number, 'event', 'sending', 'pm_' || substr(md5('method/' || person), 1, 24),
    '{"payment_method": "pm_1", "off_session": true, "expand": ["latest_charge"]}'::jsonb,
    'confirm-' || md5('key/' || n || '/' || number), made_at, false, made_at + interval '1 second', false, 0,
    '', '', '', '', '', '', '', '', made_at, NULL
FROM draw, generate_series(1, tries) AS number
-- One at a time, as the database holds: those that are over first, the last one below.
WHERE number = 1
ORDER BY n;

-- attempts, those with a successor declined
UPDATE payments_attempt AS attempt SET state = 'declined', ended_at = made_at + interval '2 seconds', code = 'card_declined',
    decline_code = 'insufficient_funds', charge_id = 'ch_' || substr(md5('charge/' || n || '/1'), 1, 24),
    card = substr(md5('card/' || person), 1, 16), last4 = draw.last4, brand = draw.brand,
    request_id = 'req_' || substr(md5('request/' || n), 1, 14)
FROM draw WHERE attempt.payment_id = draw.id AND draw.tries > 1;

-- attempts, the last of those
INSERT INTO payments_attempt (payment_id, number, asked_by, state, payment_method, request, idempotency_key, key_made_at,
    key_is_spent, sent_at, in_doubt, tries, code, decline_code, advice_code, network_advice_code, network_decline_code,
    charge_id, card, request_id, created_at, ended_at)
SELECT id, 2, 'schedule', 'sending', 'pm_' || substr(md5('method/' || person), 1, 24),
    '{"payment_method": "pm_1", "off_session": true, "expand": ["latest_charge"]}'::jsonb,
    'confirm-' || md5('key/' || n || '/2'), made_at, false, made_at + interval '3 seconds', false, 0,
    '', '', '', '', '', '', '', '', made_at, NULL
FROM draw WHERE tries > 1 ORDER BY n;

-- attempts, ended
UPDATE payments_attempt AS attempt SET
    state = CASE WHEN status = 'success' THEN 'succeeded' WHEN status = 'pending' THEN 'unknown'
        WHEN failure.kind = 'action' THEN 'action_required' WHEN failure.fault = 'us' THEN 'rejected' ELSE 'declined' END,
    ended_at = CASE WHEN status <> 'pending' THEN settled_at END, code = COALESCE(failure.code, ''),
    decline_code = COALESCE(failure.decline_code, ''),
    charge_id = CASE WHEN status <> 'pending' THEN 'ch_' || substr(md5('charge/' || n), 1, 24) ELSE '' END,
    card = CASE WHEN status = 'failed' THEN substr(md5('card/' || person), 1, 16) ELSE '' END,
    last4 = CASE WHEN status = 'pending' THEN '' ELSE draw.last4 END,
    brand = CASE WHEN status = 'pending' THEN '' ELSE draw.brand END,
    request_id = 'req_' || substr(md5('request/last/' || n), 1, 14)
FROM draw LEFT JOIN failure ON status = 'failed' AND place = draw.failure
WHERE attempt.payment_id = draw.id AND attempt.state = 'sending';

-- attempts' states watched no more
DROP INDEX state_watched;

-- transitions
INSERT INTO payments_transition (payment_id, attempt_id, from_status, to_status, attempt_state, who, why, evidence, at)
SELECT attempt.payment_id, CASE WHEN step > 0 THEN attempt.id END,
    CASE step WHEN 0 THEN '' ELSE 'pending' END,
    CASE WHEN step < 2 OR state = 'unknown' THEN 'pending' WHEN state = 'succeeded' THEN 'success' ELSE 'failed' END,
    CASE step WHEN 0 THEN '' WHEN 1 THEN 'sending' ELSE state END,
    CASE step WHEN 2 THEN 'stripe' ELSE 'event' END,
    CASE step WHEN 0 THEN 'accepted' WHEN 1 THEN 'attempt started' ELSE state || ': ' || COALESCE(NULLIF(decline_code, ''), code) END,
    CASE step WHEN 0 THEN jsonb_build_object('record', 'payment.createInitial[0]@' || attempt.id)
        ELSE jsonb_build_object('request', request_id) END,
    attempt.created_at + step * interval '1 second'
FROM payments_attempt AS attempt, generate_series(0, 2) AS step
WHERE step > 0 OR number = 1
ORDER BY attempt.id, step;

-- records
INSERT INTO payments_inboxmessage (cluster, topic, topic_id, partition, "offset", value_hash, key, value, headers,
    recorded_at, received_at, event_id, subscription_id, payment_id, verdict, reason, replays, handled_by, handled_why)
SELECT 'cluster', 'payment.createInitial', 'topic', n %% 12, n, sha256(n::text::bytea), NULL,
    convert_to('{"subId":"' || subscription || '","product":{"price":' || price || ',"currency":"' || currency || '"}}', 'UTF8'),
    '[]'::jsonb, made_at, made_at + interval '1 second', 'evt-' || n, subscription, id, 'accepted', '', 0, '', ''
FROM draw ORDER BY n;

-- records, set apart
INSERT INTO payments_inboxmessage (cluster, topic, topic_id, partition, "offset", value_hash, key, value, headers,
    recorded_at, received_at, event_id, subscription_id, payment_id, verdict, reason, replays, handled_at, handled_by,
    handled_why)
SELECT 'cluster', 'payment.createInitial', 'topic', n %% 12, %(size)s + n, sha256(n::text::bytea), NULL,
    convert_to('{"subId":"' || subscription || '"}', 'UTF8'), '[]'::jsonb, made_at, made_at + interval '1 minute', '',
    subscription, CASE WHEN verdict IN ('duplicate', 'conflict') THEN id END, verdict,
    CASE WHEN verdict = 'duplicate' THEN '' ELSE 'another amount than that of the payment' END, 0,
    CASE WHEN verdict = 'dismissed' THEN made_at + interval '1 hour' END,
    CASE WHEN verdict = 'dismissed' THEN 'staff: aida' ELSE '' END,
    CASE WHEN verdict = 'dismissed' THEN 'a test of the shop''s' ELSE '' END
FROM (
    SELECT *, CASE WHEN pg_temp.dice(n, 25, 50) > 0 THEN 'duplicate' ELSE
        (ARRAY['dismissed','dismissed','conflict','invalid'])[1 + pg_temp.dice(n, 26, 4)] END AS verdict
    FROM draw WHERE pg_temp.dice(n, 27, 50) = 0
) AS apart ORDER BY n;

-- notifications
INSERT INTO payments_outboxmessage (message_id, channel, key, value, headers, payment_id, created_at, published_at, error)
SELECT md5('message/' || n)::uuid::text, 'notifications', convert_to(id::text, 'UTF8'),
    convert_to(jsonb_build_object('payment', jsonb_build_object('id', id, 'subscriptionId', subscription, 'amount', price,
        'currency', currency, 'status', status, 'transactionId', intent, 'metadata', jsonb_build_object('attempt', tries),
        'createdAt', made_at), 'user', jsonb_build_object('id', user_id, 'email', email))::text, 'UTF8'),
    jsonb_build_object('ce_id', md5('message/' || n), 'ce_type', 'notification.paying'), id, settled_at,
    settled_at + interval '1 second', ''
FROM draw WHERE status <> 'pending' ORDER BY n;

-- webhooks
INSERT INTO payments_webhook (event_id, type, object_id, intent_id, livemode, account_id, facts, payment_id, verdict,
    received_at, handled_at)
SELECT 'evt_' || substr(md5('webhook/' || n), 1, 24),
    CASE status WHEN 'success' THEN 'payment_intent.succeeded' ELSE 'payment_intent.payment_failed' END,
    intent, intent, false, '', '{}'::jsonb, id,
    CASE WHEN pg_temp.dice(n, 28, 200) = 0 THEN (ARRAY['kept','foreign'])[1 + pg_temp.dice(n, 29, 2)] ELSE 'nothing_new' END,
    settled_at + interval '1 second', settled_at + interval '2 seconds'
FROM draw WHERE status <> 'pending' ORDER BY n;

-- refunds
INSERT INTO payments_refund (id, payment_id, amount, asked_by, reason, state, refund_id, idempotency_key, key_is_spent,
    in_doubt, tries, code, attention, request_id, due_at, created_at, ended_at)
SELECT md5('refund/' || draw.n)::uuid, draw.id, payment.refunded, 'staff: aida', 'asked for by the customer', 'succeeded',
    're_' || substr(md5('refund/' || draw.n), 1, 24), 'refund-' || md5('key/' || draw.n), false, false, 0, '', '', '',
    NULL, draw.settled_at + interval '3 days', draw.settled_at + interval '3 days 2 seconds'
FROM draw JOIN payments_payment AS payment ON payment.id = draw.id WHERE draw.refunded ORDER BY draw.n;

-- disputes
INSERT INTO payments_dispute (dispute_id, payment_id, charge_id, amount, currency, reason, status, respond_by, opened_at,
    seen_at, ended_at)
SELECT 'du_' || substr(md5('dispute/' || n), 1, 24), id, 'ch_' || substr(md5('charge/' || n), 1, 24), amount, currency,
    (ARRAY['fraudulent','product_not_received','duplicate'])[1 + pg_temp.dice(n, 30, 3)],
    CASE WHEN pg_temp.dice(n, 31, 10) = 0 THEN 'needs_response' ELSE 'lost' END, settled_at + interval '30 days',
    settled_at + interval '20 days', settled_at + interval '20 days',
    CASE WHEN pg_temp.dice(n, 31, 10) > 0 THEN settled_at + interval '60 days' END
FROM draw WHERE disputed ORDER BY n;

-- breaks
INSERT INTO payments_break (kind, intent_id, charge_id, payment_id, reason, details, found_at, seen_at, closed_at, closed_by,
    closed_why)
SELECT (ARRAY['paid_there','amount','refunded'])[1 + pg_temp.dice(n, 32, 3)], intent, '', id,
    'Stripe says that another sum was given back', '{}'::jsonb, settled_at + interval '1 day', settled_at + interval '2 days',
    CASE WHEN pg_temp.dice(n, 33, 4) > 0 THEN settled_at + interval '2 days' END,
    CASE WHEN pg_temp.dice(n, 33, 4) > 0 THEN 'reconciliation' ELSE '' END,
    CASE WHEN pg_temp.dice(n, 33, 4) > 0 THEN 'the books agree' ELSE '' END
FROM draw WHERE status = 'success' AND pg_temp.dice(n, 21, 2000) = 0 ORDER BY n;

-- end
DROP TABLE draw, failure;
