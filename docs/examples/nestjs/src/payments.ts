import { randomUUID } from 'node:crypto';

import { Inject, Injectable, Module } from '@nestjs/common';
import { ClientKafka, ClientsModule, Transport } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';

import type { PaymentCreateInitial } from '../../../events/events';
import { brokers } from './broker';

export const KAFKA = Symbol('KAFKA');

/** Asks for the initial payment of a subscription. */
@Injectable()
export class Payments {
  constructor(@Inject(KAFKA) private readonly kafka: ClientKafka) {}

  /**
   * Returns the event's id when Kafka has the event. Keep the id with what you ask for and give it again when you
   * can't know whether it was sent: an id that is known is a duplicate, and nobody is charged for it.
   */
  async ask(event: PaymentCreateInitial, id: string = randomUUID()): Promise<string> {
    await lastValueFrom(this.kafka.emit('payment.createInitial', { value: event, headers: { ce_id: id } }));
    return id;
  }
}

@Module({
  imports: [
    ClientsModule.register([
      {
        name: KAFKA,
        transport: Transport.KAFKA,
        // Every copy of the leader and its followers has it before `ask` returns.
        options: { client: { clientId: 'subscriptions', brokers }, producerOnlyMode: true, send: { acks: -1 } },
      },
    ]),
  ],
  providers: [Payments],
})
export class PaymentsModule {}
