/** Refusals go into the journal too, but whoever can ask must not be able to fill the disk. */
import type { Json } from '../protocol/document.ts';
import { parseSignRequest } from '../protocol/messages.ts';
import { orderToJson } from '../protocol/order.ts';
import type { RefusalCode } from '../protocol/refusals.ts';
import type { Refusal } from './decision.ts';
import type { Journal } from './journal.ts';

const BURST_MAX = 100;
const PER_MINUTE = 10;
/** About 400 bytes each. */
const ORDERS_MAX = 3;

/** By the policy: another one might not have refused. */
const LIMIT_CODES: ReadonlySet<string> = new Set<RefusalCode>([
  'NOT_IN_POLICY',
  'ORDER_TOO_LARGE',
  'APPROVALS_MISSING',
  'WINDOW_VALUE',
  'WINDOW_COUNT',
  'WINDOW_FEES',
  'NEW_DESTINATION',
  'TIER_CUSTOMER',
  'TIER_ALL',
]);

export const isLimitCode = (code: string): boolean => LIMIT_CODES.has(code);

export interface RefusalLog {
  /** With the body of the call, out of which a payment that the policy refused is named. */
  write(call: string, refusal: Refusal, body?: unknown): void;
}

/** At most 100 at once and 10 a minute; the next entry says how many were left out. */
export function openRefusalLog(journal: Journal, nowMs: () => number): RefusalLog {
  let tokens = BURST_MAX;
  let lastMs = nowMs();
  let leftOut = 0;
  return {
    write: (call, { code, detail, order }, body) => {
      const now = nowMs();
      tokens = Math.min(BURST_MAX, tokens + (Math.max(0, now - lastMs) * PER_MINUTE) / 60_000);
      lastMs = now;
      if (tokens < 1) {
        leftOut += 1;
        return;
      }
      tokens -= 1;
      const asked = call === 'sign' && isLimitCode(code) ? askedIn(body, order) : undefined;
      journal.append('refusal', { call, code, detail, leftOut, ...(asked === undefined ? {} : { asked }) });
      leftOut = 0;
    },
  };
}

/** The order that the refusal is about, else the first few: for replays under another policy, and for people. */
function askedIn(body: unknown, about: string | undefined): Json | undefined {
  const parsed = parseSignRequest(body);
  if (!parsed.ok || !('orders' in parsed.value)) return undefined;
  const { type, network, orders } = parsed.value;
  const vault = 'vault' in parsed.value ? ` ${parsed.value.vault}` : '';
  const named = orders.filter(({ orderNumber }) => about === undefined || about === String(orderNumber));
  return {
    type,
    place: `${network}${vault}`,
    orders: named.slice(0, ORDERS_MAX).map((one) => ({ ...orderToJson(one) })),
    count: orders.length,
  };
}
