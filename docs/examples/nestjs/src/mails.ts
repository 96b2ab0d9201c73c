import { Controller, Inject, Injectable, Module } from '@nestjs/common';
import { Ctx, EventPattern, KafkaContext, Payload } from '@nestjs/microservices';

import type { NotificationPaying } from '../../../events/events';

/**
 * The ids of notifications that were dealt with. In memory, as this is an example: keep them in a table with a unique
 * column, and write them in the transaction of what you do, or a crash between the two does it twice, or never.
 */
@Injectable()
export class Seen {
  private readonly ids = new Set<string>();

  /** Whether the id is new. */
  add(id: string): boolean {
    const before = this.ids.size;
    return this.ids.add(id).size > before;
  }
}

/** What is written to the customer. */
export function mail({ payment, user }: NotificationPaying): string {
  const sum = `${payment.amount} ${payment.currency}`;
  switch (payment.status) {
    case 'success':
      return `to ${user.email}: thank you, ${sum} are paid`;
    case 'failed':
      return payment.metadata.actionRequired
        ? `to ${user.email}: please confirm ${sum} with your bank`
        : `to ${user.email}: ${sum} were not paid: ${payment.metadata.reason}`;
    case 'pending':
      return `to ${user.email}: ${sum} are still under way`;
  }
}

@Controller()
export class Mails {
  constructor(@Inject(Seen) private readonly seen: Seen) {}

  @EventPattern('notification.paying')
  told(@Payload() event: NotificationPaying, @Ctx() context: KafkaContext): void {
    const id = context.getMessage().headers?.ce_id?.toString();
    // Delivery is at least once: what is known was dealt with. Staff who send a notification again give it a new id.
    if (id === undefined || !this.seen.add(id)) return;
    console.log(mail(event));
  }
}

@Module({ controllers: [Mails], providers: [Seen] })
export class MailsModule {}
