import 'reflect-metadata';

import { NestFactory } from '@nestjs/core';
import { MicroserviceOptions, Transport } from '@nestjs/microservices';

import { brokers } from './broker';
import { MailsModule } from './mails';

/** Writes mails until it is stopped: node dist/listen.js */
async function main(): Promise<void> {
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(MailsModule, {
    logger: ['error', 'warn'],
    transport: Transport.KAFKA,
    options: {
      client: { clientId: 'mails', brokers },
      consumer: { groupId: 'mails' },
      // A new group hears what was told before it came.
      subscribe: { fromBeginning: true },
    },
  });
  app.enableShutdownHooks();
  await app.listen();
}

void main();
