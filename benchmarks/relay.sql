-- So many outcomes that wait to be told, of half as many payments: each was declined first, and has paid since. The
-- second outcomes come behind all the first ones, as retries do. Constraints hold here as anywhere.

INSERT INTO payments_subscription (id, judged_until) SELECT 'sub_' || n, now() FROM generate_series(1, (%(rows)s + 1) / 2) AS n;

INSERT INTO payments_payment (id, subscription_id, number, subscription_as_sent, user_as_sent, user_id, email, price,
    amount, currency, payment_method, asked_by, next_payment_method, status, fault, kind, code, reason, attention,
    intent_id, intent_customer, account_id, livemode, refunded, deliveries, looks, traceparent, due_at, created_at,
    accepted_at)
SELECT md5('payment/' || n)::uuid, 'sub_' || n, 1, to_jsonb('sub_' || n),
    jsonb_build_object('id', 'u_' || n, 'email', 'person.' || n || '@example.kz'), 'u_' || n,
    'person.' || n || '@example.kz', 4990, 499000, 'KZT', 'pm_' || n, 'event', '', 'pending', '', '', '', '', '',
    'pi_' || substr(md5('intent/' || n), 1, 24), '', 'acct_1', false, 0, 0, 0, '', now(), now(), now()
FROM generate_series(1, (%(rows)s + 1) / 2) AS n;

INSERT INTO payments_outboxmessage (message_id, channel, key, value, headers, payment_id, created_at, error)
SELECT md5('told/' || place)::uuid::text, 'notifications', convert_to(payment.id::text, 'UTF8'),
    convert_to(format(
        '{"payment":{"id":"%%s","subscriptionId":"sub_%%s","amount":4990,"currency":"KZT","status":"%%s",'
        '"transactionId":"%%s","metadata":{"attempt":%%s},"createdAt":"2026-01-31T12:00:00.000Z"},'
        '"user":{"id":"u_%%s","email":"person.%%s@example.kz"}}',
        payment.id, n, CASE WHEN tried = 1 THEN 'failed' ELSE 'success' END, intent_id, tried, n, n
    ), 'UTF8'),
    jsonb_build_object('ce_id', md5('told/' || place)::uuid::text, 'ce_type', 'payment.settled',
        'ce_source', '/billing/payments', 'ce_specversion', '1.0', 'ce_time', '2026-01-31T12:00:01.000Z',
        'content-type', 'application/json',
        'traceparent', '00-' || md5('trace/' || n) || '-' || substr(md5('span/' || n), 1, 16) || '-01'),
    payment.id, now(), ''
FROM (SELECT place, 1 + (place - 1) %% ((%(rows)s + 1) / 2) AS n, 1 + (place - 1) / ((%(rows)s + 1) / 2) AS tried
    FROM generate_series(1, %(rows)s) AS place) AS outcome
JOIN payments_payment AS payment ON payment.subscription_id = 'sub_' || n
ORDER BY place;

ANALYZE payments_outboxmessage;
