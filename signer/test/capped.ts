/** Signers whose window holds two payments of one ether, and how they are asked. */
import assert from 'node:assert/strict';
import type { EvmPayRequest } from '../protocol/messages.ts';
import { EVM, callThrough, evmRequest, makeQuorum, nextOrder, type Quorum } from './quorum.ts';

export const ETHER = 10n ** 18n;
export const DAY_MS = 86_400_000;

/** A window of one day holds two ether, an order one. */
export function capped(options: { signers?: number; threshold?: number } = {}): Quorum {
  const windows = [{ seconds: 86_400, valueMax: 2n * ETHER, countMax: 1_000_000 }];
  const rich = makeQuorum({ pin: false });
  rich.close();
  const others = rich.manifest.bitcoin.map(({ asset }) => ({
    asset,
    orderMax: 10n ** 9n,
    windows: [{ seconds: 86_400, valueMax: 10n ** 12n, countMax: 1000 }],
  }));
  const assets = [{ asset: `${EVM}/slip44:60`, orderMax: ETHER, windows }, ...others];
  return makeQuorum({ ...options, policy: { assets } });
}

/** A payment of an order of its own. */
export function pay(of: Quorum, amount = ETHER): EvmPayRequest {
  const now = Math.floor(of.clock.nowMs / 1000);
  const order = { orderNumber: nextOrder(), amount: amount.toString(), expiry: String(now + 86_400) };
  return evmRequest({ deadline: String(now + 600) }, order);
}

/** All of them know where their peers are. */
export function confirm({ vaults }: Quorum): void {
  for (const vault of vaults) {
    const answer = callThrough(vault, 'sign', { type: 'none' });
    assert.equal(answer['code'], 'MALFORMED');
    assert.ok(callThrough(vault, 'confirm', {}).ok);
  }
}
