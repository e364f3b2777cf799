// Proves by a search through all states of three signers and three payments, up to their names, that what two signers
// signed stays within the window of two: whoever is asked, whoever can be reached, whatever is left waiting.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Vault } from '../vault/vault.ts';
import { DAY_MS, capped, confirm, pay } from './capped.ts';
import { call, callThrough } from './quorum.ts';

const SIGNERS = [0, 1, 2] as const;
/** One more than the window holds. */
const PAYMENTS = [0, 1, 2] as const;
const WINDOW = 2;

const ORDERS = [0, 1, 2].flatMap((a) =>
  [0, 1, 2].filter((b) => b !== a).map((b): readonly number[] => [a, b, 3 - a - b]),
);

/** A signer is told to pay: with one peer within reach, or with none, so that its entry only waits. */
interface Step {
  readonly signer: number;
  readonly payment: number;
  readonly peer: number | undefined;
}

/** Sets of payments as bits: of each signer what it has heard of, wrote down itself, and has signed. */
interface Mind {
  readonly known: number;
  readonly own: number;
  readonly signed: number;
}
type Minds = readonly Mind[];

const quorum = capped();
after(quorum.close);
confirm(quorum);

test('no schedule of signers, peers and payments left waiting pays more than the window', () => {
  const schedules = search();
  let full = 0;
  for (const schedule of schedules) {
    const payable = play(schedule);
    assert.ok(payable <= WINDOW, `${payable} payments, the window holds ${WINDOW}: ${told(schedule)}`);
    if (payable === WINDOW) full += 1;
  }
  assert.ok(schedules.length > 50, `${schedules.length} schedules`);
  assert.ok(full > schedules.length / 2, `the window was filled by ${full} of ${schedules.length} schedules`);
});

/** Steps, and the order in which payments are brought to a second signer after them. */
interface Schedule {
  readonly steps: readonly Step[];
  readonly order: readonly number[];
}

/**
 * Breadth first through all states that signers can be in if peers accept whatever they are asked, one way to each:
 * those from which every payment can come to two signatures, each signer's own window kept.
 */
function search(): Schedule[] {
  const found: Schedule[] = [];
  const nobody = SIGNERS.map(() => ({ known: 0, own: 0, signed: 0 }));
  let front: { readonly minds: Minds; readonly steps: readonly Step[] }[] = [{ minds: nobody, steps: [] }];
  const seen = new Set<string>([nameOf(nobody)]);
  while (front.length > 0) {
    const next: typeof front = [];
    for (const { minds, steps } of front) {
      const order = ORDERS.find((one) => isPaidInFull(minds, one));
      if (order !== undefined) {
        found.push({ steps, order });
        continue;
      }
      for (const step of stepsFrom(minds)) {
        const after = stepped(minds, step);
        const name = nameOf(after);
        if (seen.has(name)) continue;
        seen.add(name);
        next.push({ minds: after, steps: [...steps, step] });
      }
    }
    front = next;
  }
  return found;
}

/** Whether each payment comes to two signatures, if peers accept whatever they are asked. */
function isPaidInFull(minds: Minds, order: readonly number[]): boolean {
  let after = minds;
  const signersOf = (payment: number): number =>
    after.filter(({ signed }) => ((signed >> payment) & 1) === 1).length;
  for (const step of closing(order))
    if (signersOf(step.payment) === 1 && isNew(after, step) && fits(after, step))
      after = stepped(after, step);
  return PAYMENTS.every((payment) => signersOf(payment) === 2);
}

/** What one has signed is paid if any other can be brought to sign it too. */
const closing = (order: readonly number[]): Step[] =>
  order.flatMap((payment) =>
    SIGNERS.flatMap((signer) =>
      SIGNERS.filter((peer) => peer !== signer).map((peer) => ({ signer, payment, peer })),
    ),
  );

/** What changes something, and what the signer's own window has room for: that alone is not in question here. */
const stepsFrom = (minds: Minds): Step[] =>
  SIGNERS.flatMap((signer) =>
    PAYMENTS.flatMap((payment) =>
      [undefined, ...SIGNERS.filter((other) => other !== signer)].map((peer) => ({ signer, payment, peer })),
    ),
  ).filter((step) => fits(minds, step) && isNew(minds, step));

function fits(minds: Minds, { signer, payment }: Step): boolean {
  const { known, own } = minds[signer]!;
  return ((own >> payment) & 1) === 1 || sizeOf(known | (1 << payment)) <= WINDOW;
}

function isNew(minds: Minds, { signer, payment, peer }: Step): boolean {
  const { own, signed } = minds[signer]!;
  return (((peer === undefined ? own : signed) >> payment) & 1) === 0;
}

function stepped(minds: Minds, { signer, payment, peer }: Step): Minds {
  const bit = 1 << payment;
  const asked = minds[signer]!;
  const known = asked.known | bit;
  return minds.map((mind, i) => {
    if (i === signer)
      return { known, own: asked.own | bit, signed: asked.signed | (peer === undefined ? 0 : bit) };
    return i === peer ? { ...mind, known: mind.known | known } : mind;
  });
}

const sizeOf = (set: number): number => PAYMENTS.filter((payment) => ((set >> payment) & 1) === 1).length;

/** The same for states that differ only in what signers and payments are called. */
function nameOf(minds: Minds): string {
  const names = ORDERS.flatMap((signers) =>
    ORDERS.map((payments) => {
      const moved = (set: number): number =>
        payments.reduce((all, to, from) => all | (((set >> from) & 1) << to), 0);
      return signers
        .map((signer) => minds[signer]!)
        .map(({ known, own, signed }) => [known, own, signed].map(moved).join(','))
        .join(' ');
    }),
  );
  return names.toSorted()[0]!;
}

/** On real vaults, a day later than the last; how many of the payments two signers signed once each was asked for. */
function play({ steps, order }: Schedule): number {
  quorum.clock.nowMs += 2 * DAY_MS;
  const { vaults } = quorum;
  const requests = PAYMENTS.map(() => pay(quorum));
  const signers = PAYMENTS.map(() => new Set<number>());
  const ask = ({ signer, payment, peer }: Step): void => {
    const vault: Vault = vaults[signer]!;
    if (peer === undefined) return void call(vault, 'sign', requests[payment]);
    if ('signature' in callThrough(vault, 'sign', requests[payment], [vaults[peer]!]))
      signers[payment]!.add(signer);
  };
  for (const step of steps) ask(step);
  for (const step of closing(order)) {
    const by = signers[step.payment]!;
    if (by.size === 1 && !by.has(step.signer)) ask(step);
  }
  return signers.filter(({ size }) => size >= 2).length;
}

const told = ({ steps }: Schedule): string =>
  steps
    .map(({ signer, payment, peer }) => {
      const by = peer === undefined ? 'waits' : `with ${'abc'.charAt(peer)}`;
      return `${'abc'.charAt(signer)} ${payment + 1} ${by}`;
    })
    .join('; ');
