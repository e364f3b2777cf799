/** Decides on a request to sign, by its kind: what to journal first, and how to sign it then. */
import type { Manifest } from '../protocol/manifest.ts';
import type { BitcoinEvacuation } from '../protocol/evacuation.ts';
import type { Pay, Signed } from '../protocol/messages.ts';
import type { Policy } from '../protocol/policy.ts';
import { decideBitcoinChild } from './bitcoin-child.ts';
import { decideBitcoinEvacuate } from './bitcoin-evacuate.ts';
import { decideBitcoinPay, signBitcoin } from './bitcoin-pay.ts';
import type { BitcoinWallet } from './bitcoin-wallet.ts';
import { authorise } from './customers.ts';
import { accept, refuse, type Decision, type Refusal } from './decision.ts';
import { decideEvmPay, signEvmPay } from './evm-pay.ts';
import { checkFrozen, checkNotFrozen } from './freezes.ts';
import type { Memory } from './memory.ts';
import type { OrderRules } from './orders.ts';
import { fundsOf } from './paid-in.ts';
import { attemptKey, type ChildEntry, type EvacuateEntry, type PayEntry } from './pay-entries.ts';
import type { OpenKeys } from './state.ts';

export interface Approved {
  /** What must be journalled before signing; undefined when this very transaction was decided on before. */
  readonly entry: PayEntry | ChildEntry | EvacuateEntry | undefined;
  /** Place and id of the transaction. */
  readonly key: string;
  /** Whether freezes still allow it: people may have signed others while peers were asked. */
  readonly recheck: () => Refusal | undefined;
  readonly sign: () => Decision<Pick<Signed, 'psbt' | 'signature' | 'address'>>;
}

export interface SigningRules {
  readonly manifest: Manifest;
  readonly policy: Policy;
  /** Unix milliseconds. */
  readonly nowMs: number;
  readonly memory: Memory;
  readonly wallet: BitcoinWallet;
  readonly open: OpenKeys;
}

/** Every check of a request; nothing is signed and nothing remembered yet. */
export function decidePay(request: Pay, rules: SigningRules): Decision<Approved> {
  if (request.epoch !== rules.manifest.epoch)
    return refuse('WRONG_EPOCH', `the pinned epoch is ${rules.manifest.epoch}`);
  return request.type === 'evm-pay' ? decideEvm(request, rules) : decideBitcoin(request, rules);
}

/** The same for an evacuation. */
export function decideEvacuation(
  request: BitcoinEvacuation,
  { manifest, policy, nowMs, memory, wallet, open }: SigningRules,
): Decision<Approved> {
  const { epoch, threshold } = manifest;
  if (request.epoch !== epoch) return refuse('WRONG_EPOCH', `the pinned epoch is ${epoch}`);
  const found = manifest.bitcoin.find(({ network }) => network === request.network);
  if (found === undefined) return refuse('UNKNOWN_NETWORK', request.network);
  const rules = { epoch, threshold, entry: found, policy, nowMs };
  const decision = decideBitcoinEvacuate(request, rules, wallet, memory);
  if (!decision.ok) return decision;
  const { entry, transaction } = decision.value;
  return accept({
    entry,
    key: attemptKey(found.network, transaction.txid),
    recheck: () => checkFrozen(memory.freezes, found),
    sign: () => accept({ psbt: signBitcoin(request, transaction, open.keys) }),
  });
}

function decideBitcoin(
  request: Exclude<Pay, { type: 'evm-pay' }>,
  context: SigningRules,
): Decision<Approved> {
  const { manifest, policy, nowMs, memory, wallet, open } = context;
  const { epoch, threshold } = manifest;
  const { network } = request;
  const found = manifest.bitcoin.find((candidate) => candidate.network === network);
  if (found === undefined) return refuse('UNKNOWN_NETWORK', network);
  const rules = { epoch, threshold, entry: found, policy, nowMs, ...customerRules(request, context) };
  const decision =
    request.type === 'bitcoin-pay'
      ? decideBitcoinPay(request, rules, wallet, memory)
      : decideBitcoinChild(request, rules, wallet, memory);
  if (!decision.ok) return decision;
  const { entry, transaction } = decision.value;
  return accept({
    entry,
    key: attemptKey(network, transaction.txid),
    recheck: () => checkNotFrozen(memory.freezes, found),
    sign: () => accept({ psbt: signBitcoin(request, transaction, open.keys) }),
  });
}

function decideEvm(request: Extract<Pay, { type: 'evm-pay' }>, context: SigningRules): Decision<Approved> {
  const { manifest, policy, nowMs, memory, open } = context;
  const found = manifest.evm.find((candidate) => candidate.network === request.network);
  if (found === undefined) return refuse('UNKNOWN_NETWORK', request.network);
  const rules = {
    epoch: manifest.epoch,
    entry: found,
    policy,
    nowMs,
    ...customerRules(request, context),
  };
  const decision = decideEvmPay(request, rules, memory);
  if (!decision.ok) return decision;
  const { entry, digest, place, id, asset } = decision.value;
  return accept({
    entry,
    key: attemptKey(place, id),
    recheck: () => checkNotFrozen(memory.freezes, { network: found.network, asset }),
    sign: () => {
      const signature = signEvmPay(digest, open.evm);
      return signature.ok
        ? accept({ signature: signature.value, address: open.key.identity.evmAddress })
        : signature;
    },
  });
}

function customerRules(
  request: Pay,
  { manifest, policy, memory, nowMs }: SigningRules,
): Pick<OrderRules, 'authorise' | 'fundsOf'> {
  const { customers, paidIn, spending } = memory;
  const assertions = 'assertions' in request ? request.assertions : [];
  return {
    authorise: (order, digest) => authorise(order, digest, { assertions, manifest, customers, nowMs }),
    fundsOf: (customer, asset) => fundsOf(customer, asset, { paidIn, spending, policy, nowMs }),
  };
}
