/** A step of a decision gives its result or a refusal. */
import type { RefusalCode } from '../protocol/refusals.ts';

export interface Refusal {
  readonly ok: false;
  readonly code: RefusalCode;
  readonly detail: string;
  /** Number of the one order that the rule is about: without it the request might be signed. */
  readonly order?: string;
}

export type Decision<T> = { readonly ok: true; readonly value: T } | Refusal;

const DETAIL_LENGTH_MAX = 300;

export const accept = <T>(value: T): Decision<T> => ({ ok: true, value });

export const refuse = (code: RefusalCode, detail: string): Refusal => ({
  ok: false,
  code,
  detail: detail.slice(0, DETAIL_LENGTH_MAX),
});

/** The same refusal, as one that is about this order alone. */
export const ofOrder = (refusal: Refusal, number: bigint): Refusal => ({
  ...refusal,
  order: number.toString(),
});
