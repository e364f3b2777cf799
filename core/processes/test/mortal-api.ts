/**
 * Loaded before the API's own main (`node --import mortal-api.ts api.ts CONFIG`), with an IPC channel: asks its parent
 * before and after everything that this process makes last whether it may go on. That is every COMMIT, named by the
 * tables that its transaction wrote, and every statement outside of one that writes. Meanwhile it stands still.
 */
import { flushCompileCache } from 'node:module';
import { Client } from 'pg';
import type { Said, Side } from './kill-points.ts';

const WRITES = /\b(?:insert into|update|delete from)\s+"?([a-z_]+)"?/gi;
let asked = 0;
const waiting = new Map<number, () => void>();
process.on('message', (id: number) => {
  waiting.get(id)?.();
  waiting.delete(id);
});
// The parent is gone: nobody is left to say when to go on.
process.on('disconnect', () => process.exit(3));

type Query = (...args: unknown[]) => Promise<unknown>;
const client = Client.prototype as unknown as { query: Query };
const real = client.query;
/** Tables that an open transaction of a connection wrote so far. */
const open = new WeakMap<object, Set<string>>();

client.query = async function query(this: object, ...args: unknown[]): Promise<unknown> {
  const text = textOf(args[0]).trim();
  const tables = tablesIn(text);
  const written = open.get(this);
  if (/^(begin|start transaction)/i.test(text)) open.set(this, new Set());
  else if (/^rollback\b(?! to)/i.test(text)) open.delete(this);
  else if (/^commit/i.test(text)) {
    open.delete(this);
    return round(nameOf(written ?? new Set()), () => real.apply(this, args));
  } else if (written) for (const table of tables) written.add(table);
  else if (tables.length > 0) return round(nameOf(new Set(tables)), () => real.apply(this, args));
  return real.apply(this, args);
};

function textOf(first: unknown): string {
  if (typeof first === 'string') return first;
  return (first as { text?: string } | undefined)?.text ?? '';
}

function tablesIn(text: string): string[] {
  return [...text.matchAll(WRITES)].flatMap(([, table = '']) => (table === 'set' ? [] : [table]));
}

const nameOf = (tables: ReadonlySet<string>): string => [...tables].toSorted().join(' ');

async function round(name: string, effect: () => Promise<unknown>): Promise<unknown> {
  // A transaction that wrote nothing leaves nothing.
  if (name === '') return effect();
  await mayGoOn('before', name);
  const [outcome] = await Promise.allSettled([effect()]);
  await mayGoOn('after', name);
  if (outcome.status === 'rejected') throw outcome.reason;
  return outcome.value;
}

function mayGoOn(side: Side, name: string): Promise<void> {
  // Written at a clean end only, which this process will hardly have: the next life starts sooner.
  if (asked === 0) flushCompileCache();
  asked += 1;
  const id = asked;
  return new Promise((resolve) => {
    waiting.set(id, resolve);
    process.send?.({ kind: 'point', id, side, name } satisfies Said);
  });
}
