// Proves that the vault signs the EIP-712 digest that viem computes, and refuses every bent EVM request.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import * as fc from 'fast-check';
import { hashTypedData, recoverAddress, type Hex } from 'viem';
import type { EvmPayRequest } from '../protocol/messages.ts';
import type { OrderJson } from '../protocol/order.ts';
import type { RefusalCode } from '../protocol/refusals.ts';
import { toHex } from '../protocol/canonical.ts';
import { payDigest } from '../vault/evm-pay.ts';
import {
  EVM,
  EVM2,
  NATIVE,
  REGTEST,
  USDT,
  VAULT,
  evmRequest,
  makeQuorum,
  nextOrder,
  orderJson,
  refused,
  signed,
} from './quorum.ts';

const quorum = makeQuorum();
const { manifest, vaults, folders, clock } = quorum;
const [first] = vaults;
assert.ok(first);
after(quorum.close);

const journal = (): string => readFileSync(join(folders[0]!, 'journal.jsonl'), 'utf8');

/** The digest by viem, from the request alone. */
function digestOf(request: EvmPayRequest, chainId: number): Hex {
  return hashTypedData({
    domain: { name: 'Portcullis HotVault', version: '1', chainId, verifyingContract: request.vault as Hex },
    types: {
      Pay: [
        { name: 'token', type: 'address' },
        { name: 'deadline', type: 'uint64' },
        { name: 'generation', type: 'uint64' },
        { name: 'ids', type: 'uint64[]' },
        { name: 'items', type: 'bytes32[]' },
      ],
    },
    primaryType: 'Pay',
    message: {
      token: request.token as Hex,
      deadline: BigInt(request.deadline),
      generation: BigInt(request.generation),
      ids: request.orders.map((order) => BigInt(order.orderNumber)),
      items: request.orders.map((order): Hex => {
        const item = (BigInt(order.amount) << 160n) | BigInt(order.destination);
        return `0x${item.toString(16).padStart(64, '0')}`;
      }),
    },
  });
}

test('each signer’s signature is over viem’s digest, by the address of the manifest, low in s', async () => {
  const request = evmRequest(
    { token: USDT, generation: '3' },
    { asset: `${EVM}/erc20:${USDT}`, amount: '1500000' },
  );
  for (const [i, vault] of vaults.entries()) {
    const { signature, address } = signed(vault, request);
    assert.equal(address, manifest.signers[i]!.evmAddress);
    assert.match(signature!, /^0x[0-9a-f]{128}1[bc]$/);
    assert.ok(BigInt(`0x${signature!.slice(66, 130)}`) <= 2n ** 255n, 'low s');
    assert.equal(
      await recoverAddress({ hash: digestOf(request, 31337), signature: signature as Hex }),
      address,
    );
  }
});

test('any payment: the own digest is viem’s', () => {
  const u64 = fc.bigInt(0n, 2n ** 64n - 1n);
  const items = fc.array(fc.tuple(u64, fc.bigInt(1n, 2n ** 96n - 1n)), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(
      u64,
      u64,
      items,
      fc.integer({ min: 1, max: 2 ** 31 }),
      (deadline, generation, list, chainId) => {
        const orders = list.map(([number, amount]) =>
          orderJson({ orderNumber: number.toString(), amount: amount.toString(), destination: VAULT }),
        );
        const request = evmRequest({ deadline: `${deadline}`, generation: `${generation}`, orders });
        const own = payDigest({
          chainId: BigInt(chainId),
          vault: VAULT,
          token: NATIVE,
          deadline,
          generation,
          orders: list.map(([orderNumber]) => ({ orderNumber })),
          items: list.map(([, amount]) =>
            Buffer.concat([
              Buffer.from(amount.toString(16).padStart(24, '0'), 'hex'),
              Buffer.from(VAULT.slice(2), 'hex'),
            ]),
          ),
        });
        assert.equal(`0x${toHex(own)}`, digestOf(request, chainId));
      },
    ),
    { numRuns: 100 },
  );
});

test('150 orders at once; again: same signature, journal unchanged; another batch with one of them: signed', () => {
  const orders = Array.from({ length: 150 }, () => evmRequest().orders[0]!);
  const request = evmRequest({ orders });
  const once = signed(first, request);
  const before = journal();
  assert.deepEqual(signed(first, request), once);
  assert.equal(journal(), before);
  // The contract pays an id at most once, so batches may be cut anew.
  signed(first, evmRequest({ orders: orders.slice(3, 5), deadline: request.deadline.replace(/.$/, '1') }));
});

test('an order number stands for one order, one network and one kind of network', () => {
  const request = evmRequest();
  const [order] = request.orders as [OrderJson];
  signed(first, request);
  refused(first, { ...request, orders: [{ ...order, amount: '2' }] }, 'ORDER_CHANGED');
  refused(
    first,
    {
      ...request,
      orders: [{ ...order, destination: USDT.replace(/.*/, '0x52908400098527886E0F7030069857D2E4169EE7') }],
    },
    'ORDER_CHANGED',
  );
  const other = { ...order, asset: `${EVM2}/slip44:60` };
  refused(first, { ...request, network: EVM2, orders: [other] }, 'ORDER_CHANGED');
});

const attacks: Record<
  string,
  { code: RefusalCode; order?: Partial<OrderJson>; request?: (r: EvmPayRequest) => unknown }
> = {
  'another vault': {
    code: 'WRONG_VAULT',
    request: (r) => ({ ...r, vault: '0x52908400098527886E0F7030069857D2E4169EE7' }),
  },
  'the vault in lower case': { code: 'WRONG_VAULT', request: (r) => ({ ...r, vault: VAULT.toLowerCase() }) },
  'a token that is not listed': { code: 'UNKNOWN_TOKEN', request: (r) => ({ ...r, token: VAULT }) },
  'the token in lower case': { code: 'UNKNOWN_TOKEN', request: (r) => ({ ...r, token: USDT.toLowerCase() }) },
  'an order of another token': { code: 'WRONG_ASSET', request: (r) => ({ ...r, token: USDT }) },
  'an order of the other chain': { code: 'WRONG_ASSET', request: (r) => ({ ...r, network: EVM2 }) },
  'an unknown chain': { code: 'UNKNOWN_NETWORK', request: (r) => ({ ...r, network: 'eip155:1' }) },
  'a Bitcoin network': { code: 'UNKNOWN_NETWORK', request: (r) => ({ ...r, network: REGTEST }) },
  'a deadline that is past': {
    code: 'DEADLINE_REFUSED',
    request: (r) => ({ ...r, deadline: String(Math.floor(clock.nowMs / 1000)) }),
  },
  'a deadline too far ahead': {
    code: 'DEADLINE_REFUSED',
    request: (r) => ({ ...r, deadline: String(Math.floor(clock.nowMs / 1000) + 3602) }),
  },
  'an expired order': { code: 'EXPIRED', order: { expiry: '1769999999' } },
  'another epoch': { code: 'WRONG_EPOCH', request: (r) => ({ ...r, epoch: 0 }) },
  'an order of another epoch': { code: 'WRONG_EPOCH', order: { epoch: 2 } },
  'a skim': { code: 'KIND_REFUSED', order: { kind: 'skim' } },
  'a recipient in lower case': {
    code: 'ADDRESS_REFUSED',
    order: { destination: '0xfb6916095ca1df60bb79ce92ce3ea74c37c5d359' },
  },
  'a recipient with one letter’s case wrong': {
    code: 'ADDRESS_REFUSED',
    order: { destination: '0xFB6916095ca1df60bB79Ce92cE3Ea74c37c5d359' },
  },
  'a recipient with dirty high bytes': {
    code: 'ADDRESS_REFUSED',
    order: { destination: '0x000000000000000000000001fB6916095ca1df60bB79Ce92cE3Ea74c37c5d359' },
  },
  'a Bitcoin address': {
    code: 'ADDRESS_REFUSED',
    order: { destination: 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080' },
  },
  'the zero address': { code: 'ADDRESS_REFUSED', order: { destination: NATIVE } },
  'the vault itself': { code: 'ADDRESS_REFUSED', order: { destination: VAULT } },
  'a token contract': { code: 'ADDRESS_REFUSED', order: { destination: USDT } },
  'an amount of zero': { code: 'AMOUNT_REFUSED', order: { amount: '0' } },
  'an amount above 96 bits': { code: 'AMOUNT_REFUSED', order: { amount: (2n ** 96n).toString() } },
  'orders in descending order': {
    code: 'ORDERS_NOT_ASCENDING',
    request: (r) => ({ ...r, orders: [...r.orders, { ...r.orders[0]!, orderNumber: '1' }] }),
  },
  'one order twice': {
    code: 'ORDERS_NOT_ASCENDING',
    request: (r) => ({ ...r, orders: [r.orders[0], r.orders[0]] }),
  },
  '151 orders': {
    code: 'MALFORMED',
    request: (r) => ({
      ...r,
      orders: Array.from({ length: 151 }, () => ({ ...r.orders[0]!, orderNumber: nextOrder() })),
    }),
  },
  'a chain id of the caller’s': { code: 'MALFORMED', request: (r) => ({ ...r, chainId: '1' }) },
  'a deadline as a number': { code: 'MALFORMED', request: (r) => ({ ...r, deadline: Number(r.deadline) }) },
  'a generation above 64 bits': {
    code: 'MALFORMED',
    request: (r) => ({ ...r, generation: (2n ** 64n).toString() }),
  },
};

for (const [name, { code, order, request }] of Object.entries(attacks)) {
  test(`refused by all three: ${name}`, () => {
    const honest = evmRequest({ deadline: String(Math.floor(clock.nowMs / 1000) + 600) }, order);
    const entries = journal().split('"kind":"evm-pay"').length;
    for (const vault of vaults) {
      clock.nowMs += 6_000;
      refused(vault, request?.(honest) ?? honest, code);
    }
    assert.equal(journal().split('"kind":"evm-pay"').length, entries);
  });
}

test('the request that the attacks bend is signed as it is', () => {
  signed(first, evmRequest({ deadline: String(Math.floor(clock.nowMs / 1000) + 600) }));
});
