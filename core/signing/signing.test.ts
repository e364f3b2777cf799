// Proves that no order is given up because signers' own nodes are away, behind, or see another chain than core.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusals } from '../../signer/protocol/refusals.ts';
import { isPassing } from './signing.ts';

test('what a signer’s own node objects to is asked again; what is wrong with a payment is not', () => {
  const own = [
    'NODE_UNREACHABLE',
    'NODE_BEHIND',
    'CHAIN_MISMATCH',
    'COIN_UNKNOWN',
    'COIN_UNCONFIRMED',
    'CODE_CHANGED',
    'PROXY_CHANGED',
  ];
  for (const code of own) assert.ok(code in refusals && isPassing(code), code);
  for (const code of ['OUTPUT_DIFFERS', 'ORDER_TOO_LARGE', 'EXPIRED'])
    assert.ok(code in refusals && !isPassing(code), code);
});
