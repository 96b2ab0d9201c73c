"""For each alert: series by which it fires, and series by which it must not. One value a minute, from moment 0 on."""

from dataclasses import dataclass, field

# In minutes: each case is looked at then.
END = 120

LEDGER = "billing_ledger_"
STRIPE = 'billing_stripe_answers_total{endpoint="confirm", answer='

# Everything is well, as far as alerts look: two web processes, one worker, two bridges and two relays.
WELL = {
    'billing_ledger_up{instance="a"}': "1x120",
    'billing_ledger_up{instance="b"}': "1x120",
    **{f'{LEDGER}charging_paused{{cause="{cause}"}}': "0x120" for cause in ("staff", "key", "outage", "restored")},
    **{f'{LEDGER}due_oldest_seconds{{kind="{kind}"}}': "5x120" for kind in ("new", "again")},
    LEDGER + 'due_oldest_seconds{kind="look"}': "100000x120",
    LEDGER + "unknown_oldest_seconds": "0x60 30x59",
    LEDGER + "outbox_oldest_seconds": "0x120",
    LEDGER + "outbox_refused_rows": "0x120",
    LEDGER + 'breaks_open{kind="amount"}': "0x120",
    LEDGER + 'breaks_open{kind="paid_twice"}': "0x120",
    LEDGER + "reconciled_timestamp_seconds": "0+60x120",
    **{f'{LEDGER}processes{{process="{process}"}}': "1x120" for process in ("bridge", "relay", "worker", "beat")},
    LEDGER + 'processes{process="web"}': "0x120",
    LEDGER + 'parked_records{verdict="invalid"}': "0x120",
    LEDGER + 'parked_records{verdict="conflict"}': "0x120",
    LEDGER + 'attention{what="payment"}': "0x120",
    LEDGER + 'attention{what="refund"}': "0x120",
    LEDGER + 'payments_of_day{currency="KZT", status="success", fault=""}': "90x120",
    LEDGER + 'payments_of_day{currency="KZT", status="failed", fault="issuer"}': "10x120",
    LEDGER + 'payments_of_day{currency="KZT", status="failed", fault="us"}': "1x120",
    LEDGER + "webhook_received_timestamp_seconds": "0+60x120",
    "billing_redis_up": "1x120",
    STRIPE + '"answered"}': "0+60x120",
    STRIPE + '"declined"}': "0+10x120",
    STRIPE + '"server_error"}': "0+1x120",
    STRIPE + '"too_many"}': "0+1x120",
    'billing_stripe_seconds_bucket{endpoint="confirm", le="1.0"}': "0+60x120",
    'billing_stripe_seconds_bucket{endpoint="confirm", le="10.0"}': "0+70x120",
    'billing_stripe_seconds_bucket{endpoint="confirm", le="30.0"}': "0+71x120",
    'billing_stripe_seconds_bucket{endpoint="confirm", le="+Inf"}': "0+71x120",
    'billing_worker_tasks_total{task="payments.charge", state="success"}': "0+60x120",
    'billing_worker_tasks_total{task="payments.charge", state="failure"}': "0x60 1x59",
    'billing_bridge_lag_seconds{instance="a", topic="t", partition="0"}': "0x120",
    'billing_bridge_lag_seconds{instance="b", topic="t", partition="1"}': "3x120",
    'billing_bridge_retention_left_seconds{instance="a", topic="t", partition="0"}': "9000000x120",
    'billing_bridge_retention_left_seconds{instance="b", topic="t", partition="1"}': "600000x120",
    'billing_bridge_look_timestamp_seconds{instance="a"}': "0+60x120",
    'billing_bridge_look_timestamp_seconds{instance="b"}': "0+60x120",
    'billing_bridge_lag_records{instance="a", topic="t", partition="0"}': "0x120",
    'billing_bridge_lag_records{instance="b", topic="t", partition="1"}': "7x120",
    "billing_bridge_stalls_total": "0x120",
    'billing_relay_active{instance="a"}': "1x120",
    'billing_relay_active{instance="b"}': "0x120",
}


@dataclass(frozen=True)
class Case:
    """What differs from `WELL`; a series with an empty text is not there. `labels`: of the alert that fires."""

    alert: str
    loud: dict[str, str]
    quiet: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)


CASES = (
    Case("BillingBlind", {'billing_ledger_up{instance="a"}': "1x110 0x9", 'billing_ledger_up{instance="b"}': ""},
         quiet={'billing_ledger_up{instance="a"}': "1x60 0x59"}),
    Case("BillingBlind", {'billing_ledger_up{instance="a"}': "", 'billing_ledger_up{instance="b"}': ""}),
    Case("BillingChargingPaused", {LEDGER + 'charging_paused{cause="key"}': "0x100 1x19"},
         quiet={LEDGER + 'charging_paused{cause="key"}': "0x117 1x2"}, labels={"cause": "key"}),
    Case("BillingPaymentsLate", {LEDGER + 'due_oldest_seconds{kind="new"}': "0x110 200+60x9"},
         quiet={LEDGER + 'due_oldest_seconds{kind="new"}': "0x110 200+60x9",
                LEDGER + 'charging_paused{cause="outage"}': "0x100 1x19"}, labels={"kind": "new"}),
    Case("BillingOutcomesUnknown", {LEDGER + "unknown_oldest_seconds": "0x90 60+60x29"},
         quiet={LEDGER + "unknown_oldest_seconds": "0x110 60+60x9"}),
    Case("BillingOutcomesNotTold", {LEDGER + "outbox_oldest_seconds": "0x100 60+60x19"},
         quiet={LEDGER + "outbox_oldest_seconds": "0x118 70+60x1"}),
    Case("BillingNotificationsRefused", {LEDGER + "outbox_refused_rows": "0x119 1"}),
    Case("BillingBooksDiffer", {LEDGER + 'breaks_open{kind="paid_twice"}': "0x119 1"}),
    Case("BillingBooksNotCompared", {LEDGER + "reconciled_timestamp_seconds": "0+60x20 1200x100"},
         quiet={LEDGER + "reconciled_timestamp_seconds": "0+60x90 5400x30"}),
    Case("BillingProcessMissing", {LEDGER + 'processes{process="relay"}': "1x115 0x5"},
         quiet={LEDGER + 'processes{process="relay"}': "2x115 1x5"}, labels={"process": "relay"}),
    Case("BillingRecordsParked", {LEDGER + 'parked_records{verdict="conflict"}': "0x100 1x20"},
         quiet={LEDGER + 'parked_records{verdict="conflict"}': "0x110 1x10"}),
    Case("BillingPoison", {LEDGER + 'parked_records{verdict="invalid"}': "0x110 5+5x9"},
         quiet={LEDGER + 'parked_records{verdict="invalid"}': "500x120"}, labels={"verdict": "invalid"}),
    Case("BillingNeedsALook", {LEDGER + 'attention{what="refund"}': "0x60 2x60"},
         quiet={LEDGER + 'attention{what="refund"}': "0x100 2x20"}),
    Case("BillingDisputeDue", {LEDGER + "dispute_answer_by_timestamp_seconds": "100000x120"},
         quiet={LEDGER + "dispute_answer_by_timestamp_seconds": "900000x120"}),
    Case("BillingFailuresAreOurs",
         {LEDGER + 'payments_of_day{currency="KZT", status="failed", fault="us"}': "1x100 5x20"},
         quiet={LEDGER + 'payments_of_day{currency="KZT", status="failed", fault="issuer"}': "90x120"}),
    Case("BillingWebhooksRefused", {LEDGER + "webhook_received_timestamp_seconds": "0+60x90 5400x30",
                                    LEDGER + "webhook_refused_timestamp_seconds": "6000x120"},
         quiet={LEDGER + "webhook_refused_timestamp_seconds": "6000x120"}),
    Case("BillingWebhooksRefused", {LEDGER + "webhook_received_timestamp_seconds": "",
                                    LEDGER + "webhook_refused_timestamp_seconds": "6000x120"},
         quiet={LEDGER + "webhook_received_timestamp_seconds": "",
                LEDGER + "webhook_refused_timestamp_seconds": "60x120"}),
    Case("BillingRedisAway", {"billing_redis_up": "1x115 0x5"}, quiet={"billing_redis_up": "0x60 1x60"}),
    Case("BillingStripeFails", {STRIPE + '"no_answer"}': "0x90 0+30x30"},
         quiet={STRIPE + '"declined"}': "0+600x120"}),
    Case("BillingStripeSlow",
         {'billing_stripe_seconds_bucket{endpoint="confirm", le="30.0"}': "0+90x120",
          'billing_stripe_seconds_bucket{endpoint="confirm", le="+Inf"}': "0+90x120"}),
    Case("BillingStripeSlowsUsDown", {STRIPE + '"too_many"}': "0x90 0+10x30"}),
    Case("BillingTasksFail", {'billing_worker_tasks_total{task="payments.sweep", state="failure"}': "0x90 0+1x30"},
         quiet={'billing_worker_tasks_total{task="payments.sweep", state="failure"}': "0x90 0+0.2x30"},
         labels={"task": "payments.sweep"}),
    Case("BillingBridgeBehind",
         {'billing_bridge_lag_seconds{instance="a", topic="t", partition="0"}': "0x100 60+60x19"},
         quiet={'billing_bridge_lag_seconds{instance="a", topic="t", partition="0"}': "0x100 60+10x19"}),
    Case("BillingEventsAboutToBeDeleted",
         {'billing_bridge_retention_left_seconds{instance="b", topic="t", partition="1"}': "600000x110 80000x10"}),
    Case("BillingBridgeBlind", {'billing_bridge_look_timestamp_seconds{instance="a"}': "0+60x100 6000x20",
                                'billing_bridge_look_timestamp_seconds{instance="b"}': "0+60x100 6000x20"},
         quiet={'billing_bridge_look_timestamp_seconds{instance="a"}': "0+60x100 6000x20"}),
    Case("BillingPartitionUnread", {'billing_bridge_lag_records{instance="a", topic="t", partition="0"}': "0x100"},
         quiet={'billing_bridge_lag_records{instance="a", topic="t", partition="0"}': "0x100",
                'billing_bridge_lag_records{instance="b", topic="t", partition="0"}': "_x100 0x20"}),
    Case("BillingPartitionStandsStill", {"billing_bridge_stalls_total": "0x100 1x5 2x15"},
         quiet={"billing_bridge_stalls_total": "0x20 1x100"}),
    Case("BillingNoRelayActive", {'billing_relay_active{instance="a"}': "1x110 0x10"},
         quiet={'billing_relay_active{instance="a"}': "1x110 0x10", 'billing_relay_active{instance="b"}':
                "0x110 1x10"}),
    Case("BillingNoRelayActive", {'billing_relay_active{instance="b"}': "0x100 1x20"}),
)  # fmt: skip
