import { hash } from 'node:crypto';

/**
 * What can be told to the books. Each kind has one builder; `key` makes it idempotent: the same posting again is
 * a duplicate, another one under the same key is refused. All units are base units of the asset, above zero.
 */
export type Posting =
  | CreditDeposit
  | FinalizeDeposit
  | ReverseDeposit
  | WriteOffDeposit
  | Transfer
  | HoldWithdrawal
  | VoidHold
  | SettleWithdrawal
  | RecordNetworkCost
  | RecordSweep
  | RecordStray
  | ResolveStray
  | RecordHouseFunding
  | RecordColdMove;

export interface CreditDeposit {
  readonly kind: 'credit_deposit';
  readonly key: string;
  readonly deposit: string;
  readonly incarnation: number;
  readonly customer: string;
  readonly asset: string;
  readonly network: string;
  readonly into: 'hot' | 'unswept';
  readonly units: bigint;
}

export interface FinalizeDeposit {
  readonly kind: 'finalize_deposit';
  readonly key: string;
  readonly deposit: string;
  readonly incarnation: number;
}

export interface ReverseDeposit {
  readonly kind: 'reverse_deposit';
  readonly key: string;
  readonly deposit: string;
  readonly incarnation: number;
}

export interface WriteOffDeposit {
  readonly kind: 'write_off_deposit';
  readonly key: string;
  readonly deposit: string;
}

/** From one customer to another. */
export interface Movement {
  readonly from: string;
  readonly to: string;
  readonly asset: string;
  readonly units: bigint;
}

export interface Transfer {
  readonly kind: 'transfer';
  readonly key: string;
  readonly movements: readonly Movement[];
}

export interface HoldWithdrawal {
  readonly kind: 'hold_withdrawal';
  readonly key: string;
  readonly withdrawal: string;
  readonly customer: string;
  readonly asset: string;
  readonly units: bigint;
}

export interface VoidHold {
  readonly kind: 'void_hold';
  readonly key: string;
  readonly withdrawal: string;
}

export interface SettleWithdrawal {
  readonly kind: 'settle_withdrawal';
  readonly key: string;
  readonly withdrawal: string;
  readonly network: string;
  readonly amount: bigint;
  readonly fee: bigint;
}

export interface RecordNetworkCost {
  readonly kind: 'record_network_cost';
  readonly key: string;
  readonly network: string;
  readonly asset: string;
  readonly units: bigint;
  readonly paidFrom: 'hot' | 'gas' | 'unswept' | 'cold';
}

export interface RecordSweep {
  readonly kind: 'record_sweep';
  readonly key: string;
  readonly network: string;
  readonly asset: string;
  readonly units: bigint;
}

export interface RecordStray {
  readonly kind: 'record_stray';
  readonly key: string;
  readonly network: string;
  readonly asset: string;
  readonly units: bigint;
  readonly into: 'hot' | 'unswept' | 'cold' | 'gas';
}

export interface ResolveStray {
  readonly kind: 'resolve_stray';
  readonly key: string;
  readonly asset: string;
  readonly units: bigint;
  readonly to: 'house' | { readonly customer: string };
}

export interface RecordHouseFunding {
  readonly kind: 'record_house_funding';
  readonly key: string;
  readonly network: string;
  readonly asset: string;
  readonly units: bigint;
  readonly into: 'hot' | 'gas' | 'cold';
}

export interface RecordColdMove {
  readonly kind: 'record_cold_move';
  readonly key: string;
  readonly network: string;
  readonly asset: string;
  readonly units: bigint;
  readonly direction: 'hot_to_cold' | 'cold_to_hot' | 'cold_to_gas';
}

type Facts<P extends Posting> = Omit<P, 'kind' | 'key'>;

/** A deposit is safe: its customer has it, provisionally. An exposure of the customer is repaid first. */
export function creditDeposit(facts: Facts<CreditDeposit>): CreditDeposit {
  const { deposit, incarnation, customer, asset, network, into, units } = facts;
  const key = `credit:${deposit}:${incarnation}`;
  return { kind: 'credit_deposit', key, deposit, incarnation, customer, asset, network, into, units };
}

/** A deposit is irreversible: all its lots, in whoever's hands, become final. */
export function finalizeDeposit(facts: Facts<FinalizeDeposit>): FinalizeDeposit {
  const { deposit, incarnation } = facts;
  return { kind: 'finalize_deposit', key: `finalize:${deposit}:${incarnation}`, deposit, incarnation };
}

/** A reorg took the deposit's block away. Mined again, it is credited as its next incarnation. */
export function reverseDeposit(facts: Facts<ReverseDeposit>): ReverseDeposit {
  const { deposit, incarnation } = facts;
  return { kind: 'reverse_deposit', key: `reverse:${deposit}:${incarnation}`, deposit, incarnation };
}

/**
 * A reversed deposit will not come back. The depositor's own lots of it make up for his exposure, the house pays
 * for those in other hands as far as his exposure stands, and what is left of the lots becomes final.
 */
export function writeOffDeposit(facts: Facts<WriteOffDeposit>): WriteOffDeposit {
  return { kind: 'write_off_deposit', key: `write-off:${facts.deposit}`, deposit: facts.deposit };
}

/** 1 to 20 movements between customers, in order: all or none. `transfer` is the transfer's id. */
export function transfer(facts: Facts<Transfer> & { readonly transfer: string }): Transfer {
  const movements = facts.movements.map(({ from, to, asset, units }) => ({ from, to, asset, units }));
  return { kind: 'transfer', key: `transfer:${facts.transfer}`, movements };
}

/** Sets final value aside for a withdrawal: what the recipient gets and the fee on top, together. */
export function holdWithdrawal(facts: Facts<HoldWithdrawal>): HoldWithdrawal {
  const { withdrawal, customer, asset, units } = facts;
  return { kind: 'hold_withdrawal', key: `hold:${withdrawal}`, withdrawal, customer, asset, units };
}

/** The withdrawal will not be paid: the hold's value is free again. */
export function voidHold(facts: Facts<VoidHold>): VoidHold {
  return { kind: 'void_hold', key: `void:${facts.withdrawal}`, withdrawal: facts.withdrawal };
}

/** The payment is irreversible. `amount` left the hot wallet, `fee` (may be zero) is ours; the rest of the hold is free again. */
export function settleWithdrawal(facts: Facts<SettleWithdrawal>): SettleWithdrawal {
  const { withdrawal, network, amount, fee } = facts;
  return { kind: 'settle_withdrawal', key: `settle:${withdrawal}`, withdrawal, network, amount, fee };
}

type Named<P extends Posting> = Facts<P> & {
  /** Names the fact, unique among the postings of its kind: a transaction id, a sweep's id. */
  readonly key: string;
};

/** Miners' fees and gas that we paid. */
export function recordNetworkCost(facts: Named<RecordNetworkCost>): RecordNetworkCost {
  const { network, asset, units, paidFrom } = facts;
  return {
    kind: 'record_network_cost',
    key: `network-cost:${facts.key}`,
    network,
    asset,
    units,
    paidFrom,
  };
}

/** Deposit addresses delivered to the hot wallet. */
export function recordSweep(facts: Named<RecordSweep>): RecordSweep {
  const { network, asset, units } = facts;
  return { kind: 'record_sweep', key: `sweep:${facts.key}`, network, asset, units };
}

/** Money reached an address of ours and is nobody's balance yet. */
export function recordStray(facts: Named<RecordStray>): RecordStray {
  const { network, asset, units, into } = facts;
  return { kind: 'record_stray', key: `stray:${facts.key}`, network, asset, units, into };
}

/** Somebody decided whose a stray is. It arrives as final value. */
export function resolveStray(facts: Named<ResolveStray>): ResolveStray {
  const { asset, units, to } = facts;
  return { kind: 'resolve_stray', key: `resolve:${facts.key}`, asset, units, to };
}

/** The exchange put in money of its own. */
export function recordHouseFunding(facts: Named<RecordHouseFunding>): RecordHouseFunding {
  const { network, asset, units, into } = facts;
  return { kind: 'record_house_funding', key: `funding:${facts.key}`, network, asset, units, into };
}

/** Between hot and cold wallet. */
export function recordColdMove(facts: Named<RecordColdMove>): RecordColdMove {
  const { network, asset, units, direction } = facts;
  return { kind: 'record_cold_move', key: `cold:${facts.key}`, network, asset, units, direction };
}

/** SHA-256 over all that a posting says, its key included. Field order is the builder's. */
export function payloadHash(posting: Posting): string {
  return hash(
    'sha256',
    JSON.stringify(posting, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)),
  );
}
