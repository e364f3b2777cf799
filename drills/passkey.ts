/** Customers with a passkey: enrolled as they do it, and orders that they sign. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { credentialsOf, enrolCredential } from '../core/customers/customers.ts';
import type { Stack } from '../core/withdrawals/test/stack.ts';
import { quoteWithdrawal, requestWithdrawal } from '../core/withdrawals/withdrawals.ts';
import type { Id } from '../lib/ids/ids.ts';
import type { Authenticator } from '../world/people/authenticator.ts';
import { authorizationBy, enrolmentBy } from '../world/people/customer.ts';
import { CUSTOMER_ORIGIN } from '../world/people/people.ts';

type Customer = Id<'customer'>;

export interface SignedAsk {
  readonly customer: Customer;
  readonly asset: string;
  readonly network: string;
  readonly destination: string;
  readonly amount: string;
}

/** Enrols the customer's first passkey; `hasTaken` answers when every signer has it. */
export async function enrolPasskey(
  { db }: Stack,
  customer: Customer,
  passkey: Authenticator,
): Promise<{ readonly hasTaken: () => Promise<boolean> }> {
  const input = {
    customer,
    signed: enrolmentBy(passkey, customer),
    origin: CUSTOMER_ORIGIN,
    at: new Date(),
  };
  const result = await db.transaction().execute((trx) => enrolCredential(trx, input));
  assert.ok(result.ok);
  return { hasTaken: async () => (await credentialsOf(db, customer))[0]?.usable_at != null };
}

/** An order that the customer signs; core must take it. */
export async function askSigned(
  stack: Stack,
  passkey: Authenticator,
  { asset, network, ...order }: SignedAsk,
): Promise<Id<'withdrawal'>> {
  const deps = { db: stack.db, config: stack.config, now: () => new Date(), randomBytes };
  const wanted = { ...order, listing: stack.listing(asset, network) };
  const quoted = await quoteWithdrawal(deps, wanted);
  assert.ok(quoted.ok, quoted.ok ? '' : quoted.reason);
  const { id: quoteId, digest } = quoted.quote;
  const authorization = authorizationBy(passkey, digest.toString('hex'));
  const externalId = randomBytes(8).toString('hex');
  const taken = await requestWithdrawal(deps, { ...wanted, externalId, quoteId, authorization });
  assert.ok(taken.ok, taken.ok ? '' : taken.reason);
  return taken.withdrawal.id as Id<'withdrawal'>;
}
