"""Poll and sleep: three loops that share a table, each of which looks for work and sleeps for half a second where there
is none. `python -m benchmarks.peers.poll consume`, `charge`, `tell`.

Charges 50 at a time and waits for all of them. Risks what the others do.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

from confluent_kafka import Consumer, Producer
from django.db import connection, models

from benchmarks.peers import shop

PAUSE = 0.5
SLOTS = 50
EVENTS, TOLD = os.environ["KAFKA_TOPIC_PAYMENTS"], os.environ["KAFKA_TOPIC_NOTIFICATIONS"]
BROKER = os.environ["KAFKA_BROKER"]


class Order(models.Model):
    """Whose payment it is, and whether that was told."""

    payment = models.OneToOneField(shop.Payment, models.CASCADE, primary_key=True)
    subscription = models.CharField(max_length=64, unique=True)
    told = models.BooleanField(default=False, db_index=True)

    objects: ClassVar[models.Manager["Order"]] = models.Manager()

    class Meta:
        app_label = "peers"


def consume() -> None:
    """Events to rows; offsets after them."""
    consumer = Consumer(
        {"bootstrap.servers": BROKER, "group.id": "poll", "auto.offset.reset": "earliest", "enable.auto.commit": False}
    )
    consumer.subscribe([EVENTS])
    while True:
        message = consumer.poll(PAUSE)
        if message is None or message.error():
            continue
        event = json.loads(message.value() or b"")
        product, method = event["product"], event["user"]["paymentMethod"]
        payment = shop.Payment.objects.create(
            amount=round(product["price"] * 100), currency=product["currency"], payment_method=method
        )
        Order.objects.create(payment=payment, subscription=event["subId"])
        consumer.commit(message=message, asynchronous=False)


def charge() -> None:
    """Rows to Stripe."""
    with ThreadPoolExecutor(SLOTS) as threads:
        while True:
            waiting = shop.Payment.objects.filter(status="pending").order_by("id").values_list("id", flat=True)[:SLOTS]
            if not list(threads.map(shop.charge, waiting)):
                time.sleep(PAUSE)


def tell() -> None:
    """Outcomes to Kafka."""
    producer = Producer({"bootstrap.servers": BROKER, "enable.idempotence": True, "linger.ms": 0})
    while True:
        ended = Order.objects.filter(told=False).exclude(payment__status="pending")
        orders = list(ended.select_related("payment")[:500])
        for order in orders:
            about = {"subscriptionId": order.subscription, "status": order.payment.status}
            producer.produce(TOLD, json.dumps({"payment": about}).encode(), key=str(order.pk))
        producer.flush()
        Order.objects.filter(payment__in=[order.pk for order in orders]).update(told=True)
        if not orders:
            time.sleep(PAUSE)


def make_tables() -> None:
    """Before any of them begins, unless they are there."""
    if Order._meta.db_table in connection.introspection.table_names():
        return
    shop.make_table()
    with connection.schema_editor() as editor:
        editor.create_model(Order)


if __name__ == "__main__":
    {"consume": consume, "charge": charge, "tell": tell, "make_tables": make_tables}[sys.argv[1]]()
