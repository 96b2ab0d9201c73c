import 'reflect-metadata';

import { NestFactory } from '@nestjs/core';

import { Payments, PaymentsModule } from './payments';

/** Asks for one payment and ends: node dist/ask.js sub_1 */
async function main(subId: string): Promise<void> {
  const app = await NestFactory.createApplicationContext(PaymentsModule, { logger: ['error', 'warn'] });
  const id = await app.get(Payments).ask({
    subId,
    user: { id: 'u_1', email: 'a@b.kz', paymentMethod: 'pm_1' },
    product: { price: 100, currency: 'KZT' },
  });
  console.log(`asked: ${id}`);
  await app.close();
}

void main(process.argv[2] ?? 'sub_1');
