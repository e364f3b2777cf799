// Proves of journals that peers hold: windows bind the quorum as a whole, however core chooses pairs and cuts signers
// off; a journal that was rolled back or forked signs nothing; nothing leaves on another's word or a stale one.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test, type TestContext } from 'node:test';
import * as fc from 'fast-check';
import { freezeDocument } from '../protocol/freeze.ts';
import type { EvmPayRequest } from '../protocol/messages.ts';
import type { Awaiting } from '../protocol/peers.ts';
import type { Vault } from '../vault/vault.ts';
import { DAY_MS, ETHER, capped, confirm, pay as payOf } from './capped.ts';
import { signedBy } from './people.ts';
import {
  PASSPHRASE,
  askPeer,
  bitcoinRequest,
  call,
  callThrough,
  coin,
  orderJson,
  payment,
  type Quorum,
} from './quorum.ts';

type Answer = ReturnType<typeof call>;

const quorum = capped();
after(quorum.close);
/** A day later nothing is in any window. */
function fresh(): readonly [Vault, Vault, Vault] {
  quorum.clock.nowMs += 2 * DAY_MS;
  const [a, b, c] = quorum.vaults;
  assert.ok(a && b && c);
  return [a, b, c];
}

const pay = (of: Quorum = quorum, amount = ETHER): EvmPayRequest => payOf(of, amount);

const codeOf = (answer: Answer): unknown => (answer.ok ? 'signed' : answer['code']);

/** Core lets a vault reach only these peers. */
const through = (vault: Vault, request: unknown, ...peers: readonly Vault[]): unknown =>
  codeOf(callThrough(vault, 'sign', request, peers));

/** Each of a pair is asked with the other as its only peer; whether both signed. */
const paidBy = (a: Vault, b: Vault, request: unknown): boolean =>
  through(a, request, b) === 'signed' && through(b, request, a) === 'signed';

confirm(quorum);

test('three pairs, each cut off from the third, pay one window together and not one and a half', () => {
  const [a, b, c] = fresh();
  assert.ok(paidBy(a, b, pay()));
  assert.ok(paidBy(b, c, pay()));
  assert.ok(!paidBy(c, a, pay()));
  assert.ok(!paidBy(a, b, pay()));
  fresh();
  assert.ok(paidBy(c, a, pay()), 'a day later there is room again');
});

test('three proposals under way at once, each accepted by a peer that does not know the third: one has to ask again', () => {
  const [a, b, c] = fresh();
  const rounds = (
    [
      [a, b],
      [b, c],
      [c, a],
    ] as const
  ).map(([vault, peer]) => {
    const awaiting = awaitingOf(call(vault, 'sign', pay()));
    return { vault, peer, awaiting };
  });
  const given = rounds.map(({ vault, peer, awaiting }) => askPeer(vault, peer, awaiting));
  const released = rounds.map(({ vault, awaiting }, i) => release(vault, awaiting, [given[i]!]));
  const signed = released.filter((answer) => 'signature' in answer).length;
  assert.ok(signed <= 2, `${signed} of three signed, and two fit`);
});

test('a payment that waits at a peer too is not accepted for that: the peer counts what else it has learned', () => {
  const [s, t, u] = fresh();
  const [one, two, three] = [pay(), pay(), pay()];
  assert.equal(through(t, one, u), 'signed');
  assert.equal(through(s, two, u), 'signed');
  // Each of two knows another first payment, and has the third before itself.
  for (const vault of [s, t]) assert.ok('awaiting' in call(vault, 'sign', three));
  const third = [through(s, three, t), through(t, three, s)];
  const others = [
    [one, u, t],
    [two, u, s],
  ] as const;
  const paid = others.filter(([request, vault, peer]) => through(vault, request, peer) === 'signed').length;
  assert.equal(paid, 2, 'what could be paid already still is');
  assert.ok(!third.includes('signed'), `the third: ${third.join(', ')}`);
});

test('an entry that is asked about again is judged by all that its journal holds since', () => {
  const [s, t, u] = fresh();
  const [one, two, three] = [pay(), pay(), pay()];
  assert.equal(askPeer(s, t, awaitingOf(call(s, 'sign', one))).ok, true);
  assert.equal(through(u, three, s), 'signed');
  assert.ok('awaiting' in call(t, 'sign', two), 'two of two for this peer, which has not heard of the third');
  const again = awaitingOf(call(s, 'sign', one));
  assert.equal(codeOf(askPeer(s, t, again)), 'WINDOW_VALUE');
});

test('any schedule of pairs and half-done exchanges: what two signers signed stays within the window', () => {
  const steps = fc.array(
    fc.record({
      payment: fc.nat(3),
      signer: fc.nat(2),
      peer: fc.nat(1),
      rest: fc.constantFrom('now', 'now', 'late', 'never'),
    }),
    { minLength: 10, maxLength: 30 },
  );
  let full = 0;
  fc.assert(
    fc.property(steps, (list) => {
      const vaults = fresh();
      const requests = Array.from({ length: 4 }, () => pay());
      const signers = requests.map(() => new Set<number>());
      const late: (() => void)[] = [];
      const note = (answer: Answer, of: number, signer: number): void => {
        if ('signature' in answer) signers[of]?.add(signer);
      };
      for (const { payment: of, signer, peer, rest } of list) {
        const [vault, other] = [vaults[signer]!, vaults[(signer + 1 + peer) % 3]!];
        if (rest === 'now') {
          note(callThrough(vault, 'sign', requests[of], [other]), of, signer);
          continue;
        }
        const first = call(vault, 'sign', requests[of]);
        note(first, of, signer);
        if (!('awaiting' in first) || rest === 'never') continue;
        const given = askPeer(vault, other, awaitingOf(first));
        late.push(() => note(release(vault, awaitingOf(first), [given]), of, signer));
      }
      for (const one of late) one();
      const payable = signers.filter(({ size }) => size >= 2).length;
      assert.ok(payable <= 2, `${payable} payments of one ether, the window holds two`);
      if (payable === 2) full += 1;
    }),
    { numRuns: 150 },
  );
  assert.ok(full > 10, `the window was filled ${full} times: else this proves little`);
});

test('one order is paid by transactions that exclude each other, whoever signed the first', () => {
  const [a, b, c] = fresh();
  const now = quorum.clock.nowMs / 1000;
  const order = orderJson({ expiry: String(Math.floor(now) + 86_400) });
  const parts = { ...payment(quorum.manifest), orders: [order] };
  const [one, other] = [parts, { ...parts, coins: [coin(quorum.manifest, 200_000n)] }].map((given) =>
    bitcoinRequest(quorum.manifest, given),
  );
  assert.ok(paidBy(a, b, one));
  assert.equal(through(c, other, b), 'NOT_COUNTERSIGNED');
  assert.equal(through(a, other, c), 'NOT_A_REPLACEMENT');
  const changed = { ...order, amount: '149999' };
  const bent = bitcoinRequest(quorum.manifest, { ...parts, orders: [changed] });
  assert.ok(['NOT_COUNTERSIGNED', 'ORDER_CHANGED'].includes(String(through(c, bent, a))));
});

test('a captured signer that names too little of an order fools nobody who signs it', () => {
  const [a, b, c] = fresh();
  const request = pay();
  const awaiting = awaitingOf(call(a, 'sign', request));
  const [line] = [awaiting.line];
  assert.ok(line.includes(ETHER.toString()));
  assert.ok(paidBy(a, b, pay()));
  // Whatever a said of it, b and c each count and check the order themselves when they sign it.
  assert.ok(paidBy(b, c, request));
  assert.ok(!paidBy(b, c, pay()));
  const large = pay(quorum, 2n * ETHER);
  for (const vault of [a, b, c]) assert.equal(codeOf(callThrough(vault, 'sign', large)), 'ORDER_TOO_LARGE');
});

test('nothing leaves without countersignatures, on forged ones, another’s, one’s own or for another ask', () => {
  const [a, b] = fresh();
  const awaiting = awaitingOf(call(a, 'sign', pay()));
  const good = askPeer(a, b, awaiting);
  const other = askPeer(a, b, awaitingOf(call(a, 'sign', pay())));
  const bad: [string, object[]][] = [
    ['none', []],
    ['forged', [{ signer: 'signer-b', signature: '00'.repeat(65) }]],
    ['of b in the name of c', [{ signer: 'signer-c', signature: good['countersignature'] }]],
    ['of the asker itself', [{ signer: 'signer-a', signature: awaiting.signature }]],
    ['of a stranger', [{ signer: 'mallory', signature: good['countersignature'] }]],
    ['for another ask', [{ signer: 'signer-b', signature: other['countersignature'] }]],
  ];
  for (const [name, countersignatures] of bad) {
    const answer = call(a, 'release', { id: awaiting.id, countersignatures });
    // The second request grew the journal: the first has to ask again in any case.
    assert.ok('awaiting' in answer || answer['code'] === 'NOT_COUNTERSIGNED', name);
    assert.ok(!('signature' in answer), name);
  }
  assert.equal(call(a, 'release', { id: 9_999, countersignatures: [] })['code'], 'NOTHING_AWAITED');
});

test('a freeze that comes while peers are asked: nothing leaves', () => {
  const own = capped();
  after(own.close);
  confirm(own);
  const [a, b, c] = own.vaults;
  assert.ok(a && b && c);
  const awaiting = awaitingOf(call(a, 'sign', pay(own)));
  const given = askPeer(a, b, awaiting);
  const freeze = freezeDocument.normal({
    epoch: 1,
    id: new Uint8Array(randomBytes(16)),
    scope: 'everything',
    reason: 'drill',
    by: 'alice',
    issuedAt: BigInt(Math.floor(own.clock.nowMs / 1000)),
  });
  const document = signedBy(freezeDocument, freeze, [own.operators[0]!.byKey]);
  assert.ok(call(a, 'freeze', document).ok);
  assert.equal(release(a, awaiting, [given])['code'], 'FROZEN');
  // A peer that is frozen accepts nothing; the one that has not heard of it does.
  assert.ok(call(b, 'freeze', document).ok);
  assert.equal(through(c, pay(own), b), 'NOT_COUNTERSIGNED');
});

test('a journal rolled back from a snapshot signs nothing, and its peers say why', (t) => {
  const { own, vaults, copy } = snapshotted(t);
  const [a, b, c] = vaults;
  assert.ok(paidBy(b, c, pay(own)));
  assert.ok(paidBy(b, c, pay(own)), 'now the window is full');
  const old = openCopy(t, own, copy);
  assert.equal(askPeer(old, c, awaitingOf(call(old, 'confirm', {})))['code'], 'PEER_ROLLED_BACK');
  // With a alone, which never heard of these two payments, it could pay the window once more.
  assert.equal(through(old, pay(own), a), 'UNCONFIRMED');
  assert.equal(through(old, pay(own), a, c), 'UNCONFIRMED');
  assert.equal(through(a, pay(own), old), 'NOT_COUNTERSIGNED');
  assert.equal(call(old, 'status', {})['confirmed'], false);
});

test('a journal that went on from a snapshot is a fork', (t) => {
  const { own, vaults, copy } = snapshotted(t);
  const [a, b, c] = vaults;
  const old = openCopy(t, own, copy);
  assert.ok(paidBy(b, c, pay(own)));
  const { sequence } = call(b, 'status', {})['journal'] as { sequence: string };
  // What a thief with the folder writes himself: here refusals, which any caller provokes.
  while (Number((call(old, 'status', {})['journal'] as { sequence: string }).sequence) <= Number(sequence)) {
    own.clock.nowMs += 1000;
    call(old, 'freeze', { none: 1 });
  }
  const answer = askPeer(old, c, awaitingOf(call(old, 'confirm', {})));
  assert.equal(answer['code'], 'PEER_FORKED');
  assert.equal(through(old, pay(own), a, c), 'UNCONFIRMED');
});

test('after a restart both peers are asked first; one of them alone does not do', () => {
  const [a, b, c] = fresh();
  assert.ok(paidBy(a, b, pay()));
  a.close();
  const again = quorum.reopen(0);
  assert.ok(call(again, 'unseal', { passphrase: PASSPHRASE }).ok);
  assert.equal(call(again, 'status', {})['confirmed'], false);
  assert.equal(through(again, pay(), b), 'UNCONFIRMED');
  assert.equal(through(again, pay(), b, c), 'signed');
  assert.equal(call(again, 'status', {})['confirmed'], true);
  (quorum.vaults as Vault[])[0] = again;
});

test('what is void leaves no ask behind: an earlier one with good countersignatures signs nothing', () => {
  const [a, b] = fresh();
  const request = pay();
  const early = awaitingOf(call(a, 'sign', request));
  const given = askPeer(a, b, early);
  assert.ok('countersignature' in given);
  assert.equal(release(a, awaitingOf(call(a, 'sign', request)), [])['code'], 'NOT_COUNTERSIGNED');
  const { sequence } = call(a, 'status', {})['journal'] as { sequence: string };
  const last = call(a, 'journal', { after: String(Number(sequence) - 2) })['lines'] as string[];
  assert.ok(
    last.some((line) => line.includes('"kind":"void"')),
    last.join('\n'),
  );
  assert.equal(release(a, early, [given])['code'], 'NOTHING_AWAITED');
});

test('what was signed before a restart is never void, though peers are silent now', () => {
  const [a, b, c] = fresh();
  const now = Math.floor(quorum.clock.nowMs / 1000);
  const order = orderJson({ expiry: String(now + 86_400) });
  const parts = { ...payment(quorum.manifest), orders: [order] };
  const request = bitcoinRequest(quorum.manifest, parts);
  assert.equal(through(a, request, b, c), 'signed');
  a.close();
  const again = quorum.reopen(0);
  (quorum.vaults as Vault[])[0] = again;
  assert.ok(call(again, 'unseal', { passphrase: PASSPHRASE }).ok);
  assert.ok(callThrough(again, 'confirm', {}, [b, c]).ok);
  assert.equal(through(again, request), 'NOT_COUNTERSIGNED');
  const rival = { ...parts, coins: [coin(quorum.manifest, 200_000n)] };
  assert.equal(through(again, bitcoinRequest(quorum.manifest, rival), b, c), 'NOT_A_REPLACEMENT');
  assert.equal(through(again, request, c), 'signed');
});

test('a peer that was away takes all that it missed, and counts it', () => {
  const [a, b, c] = fresh();
  for (let i = 0; i < 25; i += 1) assert.ok(paidBy(a, b, pay(quorum, ETHER / 100n)));
  assert.ok(paidBy(a, b, pay(quorum, ETHER)));
  assert.ok(!paidBy(c, a, pay()), 'what a and b paid counts');
  assert.ok(paidBy(c, a, pay(quorum, ETHER / 100n)));
});

test('three of four: any two sets of holders share an honest signer, and three pay with one away', () => {
  const four = capped({ signers: 4, threshold: 3 });
  after(four.close);
  assert.equal(four.manifest.journalCopies, 3);
  confirm(four);
  const [a, b, c, d] = four.vaults;
  assert.ok(a && b && c && d);
  const paid = (one: Vault, two: Vault, three: Vault): boolean => {
    const request = pay(four);
    return (
      through(one, request, two, three) === 'signed' &&
      through(two, request, one, three) === 'signed' &&
      through(three, request, one, two) === 'signed'
    );
  };
  assert.ok(paid(a, b, c));
  assert.equal(through(a, pay(four, 1n), b), 'NOT_COUNTERSIGNED', 'two copies are too few');
  // 1 wei of the window is taken by what only b was shown.
  four.clock.nowMs += 2 * DAY_MS;
  assert.ok(paid(d, b, c), 'with a away');
  assert.ok(paid(a, b, d));
  assert.ok(!paid(a, b, d));
  assert.ok(!paid(a, c, d));
});

test('no bytes from a peer crash a vault, make it accept anything or break its journal', () => {
  const [a, b] = fresh();
  const awaiting = awaitingOf(call(a, 'sign', pay()));
  const lines = (call(a, 'journal', { after: '0' })['lines'] as string[]).slice(-5);
  const bent = fc.record({
    ask: fc.oneof(fc.constant(awaiting.ask), fc.jsonValue()),
    signature: fc.oneof(fc.constant(awaiting.signature), fc.constant('11'.repeat(65)), fc.string()),
    line: fc.oneof(fc.constant(awaiting.line), fc.constant(''), fc.string()),
    lines: fc.oneof(
      fc.subarray(lines),
      fc.array(fc.string(), { maxLength: 3 }),
      fc.constant(lines.map((line) => line.replace('evm-pay', 'note'))),
      fc.jsonValue(),
    ),
  });
  const before = call(b, 'status', {})['journal'] as { sequence: string };
  fc.assert(
    fc.property(bent, (request) => {
      const answer = call(b, 'countersign', request);
      const whole = request.ask === awaiting.ask && request.signature === awaiting.signature;
      assert.ok(whole || !answer.ok);
      assert.ok(!('countersignature' in answer) || request.line === awaiting.line);
    }),
    { numRuns: 1500 },
  );
  const journal = readFileSync(join(quorum.folders[1]!, 'journal.jsonl'), 'utf8').trimEnd().split('\n');
  assert.ok(journal.length >= Number(before.sequence));
  b.close();
  const again = quorum.reopen(1);
  (quorum.vaults as Vault[])[1] = again;
  assert.ok(call(again, 'unseal', { passphrase: PASSPHRASE }).ok);
});

function awaitingOf(answer: Answer): Awaiting['awaiting'] {
  assert.ok('awaiting' in answer, JSON.stringify(answer));
  return answer['awaiting'] as Awaiting['awaiting'];
}

const release = (vault: Vault, { id }: Awaiting['awaiting'], given: readonly Answer[]): Answer =>
  call(vault, 'release', {
    id,
    countersignatures: given.flatMap((answer) =>
      typeof answer['countersignature'] === 'string'
        ? [{ signer: answer['signer'], signature: answer['countersignature'] }]
        : [],
    ),
  });

/** A quorum of its own, and a copy of its second signer's folder as it is now. */
function snapshotted(t: TestContext): { own: Quorum; vaults: [Vault, Vault, Vault]; copy: string } {
  const own = capped();
  t.after(own.close);
  confirm(own);
  const [a, b, c] = own.vaults;
  assert.ok(a && b && c);
  const copy = mkdtempSync(join(tmpdir(), 'portcullis-snapshot-'));
  t.after(() => rmSync(copy, { recursive: true }));
  cpSync(own.folders[1]!, copy, { recursive: true });
  return { own, vaults: [a, b, c], copy };
}

function openCopy(t: TestContext, own: Quorum, folder: string): Vault {
  const opened = own.openAt(1, folder);
  t.after(() => opened.close());
  assert.ok(call(opened, 'unseal', { passphrase: PASSPHRASE }).ok);
  return opened;
}
