// Made by `make docs` from the JSON Schemas beside it, which say more than types can: change those.

/**
 * Asks for the initial payment of a subscription. The record's value is this object in UTF-8 without a
 * byte order mark; unknown fields are tolerated at every level. Beyond what a schema can say: a price with
 * more decimals than its currency has is refused and never rounded, and an amount has at most 12 digits in
 * minor units; the user is refused if anything in it holds NUL, half a character (a lone surrogate) or a
 * number that a double can't hold, or if it is nested deeper than 32 levels; an object in which a name
 * comes twice is refused, and so is a value of more than 256 KiB. A card number is masked wherever it
 * stands, but for ids and the e-mail address.
 */
export interface PaymentCreateInitial {
  /** The subscription. Goes out again in the JSON type that it came in; 1 and "1" are one subscription. */
  subId: string | number;
  /** Goes out again in notification.paying as it came in, less paymentMethod. */
  user: {
    id: string | number;
    email: string;
    /** Stripe's id of the saved payment method; never a card number. */
    paymentMethod: string;
    /** Stripe's id of the customer that the payment method belongs to; saves a question to Stripe. */
    customer?: string | null;
    [field: string]: unknown;
  };
  product: {
    /**
     * A decimal number, or the same as text, in major units: 100 is one hundred tenge. In minor units
     * where the service is set to PRICE_UNIT=minor.
     */
    price: number | string;
    /** ISO 4217, in upper or lower case. */
    currency: string;
    [field: string]: unknown;
  };
  [field: string]: unknown;
}

/**
 * Tells how a payment stands. Delivered at least once, each time with the same bytes and the same ce_id
 * header.
 */
export interface NotificationPaying {
  payment: {
    id: string;
    /** subId of payment.createInitial, in the JSON type that it came in. */
    subscriptionId: string | number;
    /** In the unit of the price that came in. */
    amount: number;
    currency: string;
    status: "success" | "failed" | "pending";
    /** Stripe's PaymentIntent; null if it failed before there was one. */
    transactionId: string | null;
    metadata: NotificationPayingMetadata;
    createdAt: string;
  };
  /** As it came in, with whatever fields it had, less paymentMethod. */
  user: {
    id: string | number;
    email: string;
    paymentMethod?: never;
    [field: string]: unknown;
  };
}

/** What an e-mail needs. Never a client secret, a raw error of Stripe's or a network code. */
export interface NotificationPayingMetadata {
  /** Which try this is, from 1. */
  attempt?: number;
  /** Why it failed, in words for the customer. */
  reason?: string;
  /** Whether the customer must authenticate: retrieve transactionId from Stripe to do so. */
  actionRequired?: boolean;
  /** When it is tried again without anybody asking; null: it is not. */
  willRetryAt?: string | null;
  /** Staff sent it again: the ce_id of the first notification. */
  resendOf?: string;
}

/**
 * Tells that money of a payment went back to the customer, or that the customer's bank disputes it. On a
 * topic of its own (KAFKA_TOPIC_REFUNDS), never on notification.paying. Delivered at least once, each time
 * with the same bytes and the same ce_id header. A refund may fail days after it was told as succeeded;
 * then it is told again, as failed.
 */
export interface PaymentRefunded {
  payment: {
    id: string;
    /** subId of payment.createInitial, in the JSON type that it came in. */
    subscriptionId: string | number;
    /** What was charged, in the unit of the price that came in. */
    amount: number;
    currency: string;
    /** Of the payment, which stays a success whatever goes back. */
    status: "success";
    /** Stripe's PaymentIntent. */
    transactionId: string;
    metadata: PaymentRefundedMetadata;
    createdAt: string;
  };
  /** As it came in, with whatever fields it had, less paymentMethod. */
  user: {
    id: string | number;
    email: string;
    paymentMethod?: never;
    [field: string]: unknown;
  };
}

/** What has happened: to a refund, or to a dispute. */
export interface PaymentRefundedMetadata {
  /**
   * All that has gone back of this payment by refunds so far, in the unit of the price. What a lost
   * dispute takes is not in it.
   */
  refunded: number;
  refund?: PaymentRefundedRefund;
  dispute?: PaymentRefundedDispute;
}

export interface PaymentRefundedRefund {
  /** Stripe's. */
  id: string;
  /** In the unit of the price. */
  amount: number;
  /** failed: the customer did not get it after all, though it was told as succeeded. */
  status: "succeeded" | "failed";
}

export interface PaymentRefundedDispute {
  /** Stripe's. */
  id: string;
  /** In the unit of the price. */
  amount: number;
  /** won: the money stays with us; lost: it is the customer's; closed: an inquiry that took nothing. */
  status: "open" | "won" | "lost" | "closed";
}

/** Of the events that we send, as text. KafkaJS hands them over as buffers. */
export interface EventHeaders {
  /** The stable id of this notification, the same at each delivery. Drop one that you know. */
  ce_id: string;
  /** Which event it is. */
  ce_type: string;
  /** Who tells it. */
  ce_source: string;
  /** CloudEvents, binary mode. */
  ce_specversion: string;
  /** When the outcome was settled. */
  ce_time: string;
  /** Of the value. */
  "content-type": string;
  /** W3C Trace Context; goes on from the event that came in to the notification that goes out. */
  traceparent?: string;
}
