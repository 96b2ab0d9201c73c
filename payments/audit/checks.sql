-- The promises as questions: each asks for the ids of what breaks it, so that any answer is a break. Above each stand
-- the promise, the name of the check and, for a person, what holds. `now` and how long things may take are given.

-- shared
WITH charging AS (
    -- It doesn't stand still, nor has it until just now: what is late is late by itself.
    SELECT WHERE NOT EXISTS (
        SELECT FROM payments_pause WHERE ended_at IS NULL OR ended_at > %(now)s - %(shown_within)s)
), kept AS (
    -- What was published long ago may have been pruned: since then nothing is missing. Rows of payments that don't rest
    -- are never pruned, so the oldest row alone doesn't say it.
    SELECT channel, GREATEST(
        COALESCE(min(created_at) FILTER (WHERE published_at IS NOT NULL), min(created_at)),
        (SELECT before FROM payments_pruned WHERE what = 'outbox')) AS since
    FROM payments_outboxmessage GROUP BY channel
), awaited AS (
    -- A step that somebody waits to hear of: a payment was paid; an attempt that somebody asked for failed or was
    -- refused, which it is the moment that it is made; one was closed under way. What was imported has no attempt, and
    -- was told by others.
    SELECT step.payment_id, step.at
    FROM payments_transition step JOIN payments_attempt attempt ON attempt.id = step.attempt_id
    WHERE (step.to_status = 'success' AND step.from_status <> 'success')
        OR (attempt.asked_by <> 'schedule' AND (step.attempt_state = 'refused' AND step.at = attempt.created_at
            OR step.from_status = 'pending' AND step.to_status = 'failed'))
), broken AS MATERIALIZED (

-- P1 one open payment: a subscription has one open payment at most
SELECT subscription_id AS id FROM payments_payment WHERE closed_at IS NULL GROUP BY subscription_id HAVING count(*) > 1

-- P1 paid once: a subscription has one paid payment at most
SELECT subscription_id AS id FROM payments_payment WHERE status = 'success' GROUP BY subscription_id HAVING count(*) > 1

-- P1 one payment per intent: a PaymentIntent belongs to one payment
SELECT intent_id AS id FROM payments_payment WHERE intent_id IS NOT NULL GROUP BY intent_id HAVING count(*) > 1

-- P1 one attempt under way: of a payment's attempts one is under way at most
SELECT payment_id::text AS id FROM payments_attempt WHERE state IN ('sending', 'unknown', 'processing')
GROUP BY payment_id HAVING count(*) > 1

-- P1 closed rests: a closed payment has failed, is never due again, and has no attempt that could pay
SELECT id::text FROM payments_payment payment
WHERE closed_at IS NOT NULL AND (status <> 'failed' OR due_at IS NOT NULL OR retry_at IS NOT NULL OR EXISTS (
    SELECT FROM payments_attempt
    WHERE payment_id = payment.id AND state IN ('sending', 'unknown', 'processing', 'succeeded')))

-- P2 accepted is a payment: an accepted record has the payment of its subscription
SELECT record.id::text FROM payments_inboxmessage record
LEFT JOIN payments_payment payment ON payment.id = record.payment_id
WHERE verdict = 'accepted' AND record.subscription_id IS DISTINCT FROM payment.subscription_id

-- P2 one verdict per place: a place in a topic has one record, and so one verdict
SELECT topic || '[' || "partition" || ']@' || "offset" AS id FROM payments_inboxmessage WHERE topic_id <> ''
GROUP BY cluster, topic, topic_id, "partition", "offset" HAVING count(*) > 1

-- P2 rows behind the position: no record has a row beyond the position of its partition
SELECT topic || '[' || "partition" || ']' AS id
FROM (
    SELECT cluster, topic, topic_id, "partition", max("offset") AS last FROM payments_inboxmessage
    GROUP BY cluster, topic, topic_id, "partition") taken
LEFT JOIN payments_position USING (cluster, topic, topic_id, "partition")
WHERE next_offset IS NULL OR last >= next_offset

-- P2 parked is told: a parked record has a reason and a dead letter
SELECT record.id::text FROM payments_inboxmessage record LEFT JOIN kept ON channel = 'dead_letters'
WHERE verdict IN ('conflict', 'invalid') AND (reason = '' OR received_at >= COALESCE(since, 'infinity')
    AND NOT EXISTS (SELECT FROM payments_outboxmessage WHERE record_id = record.id))

-- P3 success is proven: a paid payment has its PaymentIntent, became so once, and by one attempt at most
SELECT payment.id::text FROM payments_payment payment
LEFT JOIN (
    SELECT payment_id, count(*) AS paid FROM payments_attempt WHERE state = 'succeeded' GROUP BY payment_id
) attempts ON attempts.payment_id = payment.id
LEFT JOIN (
    SELECT payment_id, count(*) AS steps, count(*) FILTER (WHERE attempt_state = 'succeeded') AS by_attempt
    FROM payments_transition WHERE to_status = 'success' AND from_status <> 'success' GROUP BY payment_id
) history ON history.payment_id = payment.id
WHERE status = 'success'
    AND (intent_id IS NULL OR COALESCE(steps, 0) <> 1 OR COALESCE(paid, 0) <> COALESCE(by_attempt, 0))

-- P3 a success is believed: a payment with a succeeded attempt is paid
SELECT payment.id::text FROM payments_payment payment
JOIN payments_attempt attempt ON attempt.payment_id = payment.id
WHERE attempt.state = 'succeeded' AND payment.status <> 'success'

-- P3 failure says why: a failed payment says whose fault it is, and what the customer may read
SELECT id::text FROM payments_payment
WHERE status = 'failed' AND (fault = '' OR kind = '' OR reason = '' OR settled_at IS NULL)

-- P3 history is whole: each step of a payment begins where the one before ended, and the last one is how it stands
SELECT DISTINCT id
FROM (
    SELECT payment.id::text AS id, status, from_status, to_status, lag(to_status, 1, '') OVER story AS before,
        lead(step.id) OVER story IS NULL AS is_last
    FROM payments_payment payment LEFT JOIN payments_transition step ON step.payment_id = payment.id
    WINDOW story AS (PARTITION BY payment.id ORDER BY step.id)) steps
WHERE from_status IS DISTINCT FROM before OR is_last AND to_status IS DISTINCT FROM status

-- P3 refunds within the charge: no more is given back than was charged, or somebody is shown it
SELECT payment.id::text FROM payments_payment payment JOIN payments_refund refund ON refund.payment_id = payment.id
WHERE refund.state NOT IN ('failed', 'canceled', 'rejected')
GROUP BY payment.id
HAVING payment.status <> 'success' OR sum(refund.amount) > payment.amount AND max(refund.attention) = ''

-- P3 refunds add up: what a payment calls refunded is the sum of its refunds that succeeded
SELECT payment.id::text FROM payments_payment payment
LEFT JOIN payments_refund refund ON refund.payment_id = payment.id AND refund.state = 'succeeded'
WHERE refunded > 0 OR refund.id IS NOT NULL
GROUP BY payment.id HAVING refunded <> LEAST(payment.amount, COALESCE(sum(refund.amount), 0))

-- P4 outcomes are told: each outcome that somebody waits for has its notification
SELECT DISTINCT payment_id::text AS id FROM awaited LEFT JOIN kept ON channel = 'notifications'
WHERE at >= COALESCE(since, 'infinity') AND NOT EXISTS (
    SELECT FROM payments_outboxmessage message
    WHERE message.payment_id = awaited.payment_id AND message.channel = 'notifications'
        AND message.created_at = awaited.at)

-- P4 the relay publishes: nothing has been waiting for Kafka for minutes
SELECT message_id AS id FROM payments_outboxmessage
WHERE published_at IS NULL AND refused_at IS NULL AND created_at < %(now)s - %(told_within)s

-- P4 refused is told again: what Kafka refused for good was told again since, by manage.py notify
SELECT message_id AS id FROM payments_outboxmessage refused
WHERE refused_at IS NOT NULL AND channel = 'notifications' AND NOT EXISTS (
    SELECT FROM payments_outboxmessage later
    WHERE later.payment_id = refused.payment_id AND later.id > refused.id AND later.channel = 'notifications'
        AND later.published_at IS NOT NULL)

-- P5 unknown is shown: what has been under way for more than three minutes is shown to a person
SELECT payment.id::text FROM charging, payments_payment payment
JOIN payments_attempt attempt ON attempt.payment_id = payment.id
WHERE payment.status = 'pending' AND attention = '' AND attempt.state IN ('sending', 'unknown', 'processing')
    AND attempt.created_at < %(now)s - %(shown_within)s

-- P5 somebody's turn comes: while payments are due, one of them is tried within ten minutes
SELECT id::text FROM charging, payments_payment payment
WHERE status = 'pending' AND attention = '' AND due_at < %(now)s - %(tried_within)s
    AND NOT EXISTS (SELECT FROM payments_attempt WHERE created_at > %(now)s - %(tried_within)s)

-- P5 refunds are shown: a refund whose outcome has not been known for minutes is shown to a person
SELECT id::text FROM charging, payments_refund
WHERE state IN ('sending', 'unknown') AND attention = '' AND created_at < %(now)s - %(shown_within)s
