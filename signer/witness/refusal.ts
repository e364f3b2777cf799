/** Why a signer's own node stands against a payment. */
import type { RefusalCode } from '../protocol/refusals.ts';

export type WitnessCode = Extract<
  RefusalCode,
  | 'NODE_UNREACHABLE'
  | 'NODE_BEHIND'
  | 'CHAIN_MISMATCH'
  | 'COIN_UNKNOWN'
  | 'COIN_UNCONFIRMED'
  | 'CODE_CHANGED'
  | 'PROXY_CHANGED'
>;

export interface WitnessRefusal {
  readonly code: WitnessCode;
  /** As a vault's detail: at most 300 characters. */
  readonly detail: string;
}

export const refuse = (code: WitnessCode, detail: string): WitnessRefusal => ({
  code,
  // A node's words are quoted in it; control characters have no place in an answer.
  detail: detail.replace(/\p{Cc}/gu, ' ').slice(0, 300),
});
