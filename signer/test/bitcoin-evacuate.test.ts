// Proves that an evacuation can do nothing but take our coins to the manifest's cold address, only under a freeze, within
// the caps and windows of fees; that peers hold it to the same; and that it never lets an order be paid twice.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as bitcoin from 'bitcoinjs-lib';
import * as ecc from 'tiny-secp256k1';
import { freezeDocument, unfreezeDocument, type Freeze } from '../protocol/freeze.ts';
import type { BitcoinEvacuation } from '../protocol/evacuation.ts';
import type { Refused, Signed } from '../protocol/messages.ts';
import type { Awaiting } from '../protocol/peers.ts';
import type { Vault } from '../vault/vault.ts';
import { signedBy } from './people.ts';
import { changeOf } from './child.ts';
import {
  PASSPHRASE,
  askPeer,
  REGTEST,
  TESTNET,
  bitcoinRequest,
  call,
  callThrough,
  coin,
  makeQuorum,
  payment,
  psbtInput,
  refused,
  signed,
  signedManifest,
  walletPayment,
  type Coin,
  type Quorum,
} from './quorum.ts';

const network = bitcoin.networks.regtest;
const freezeOf = ({ clock }: Quorum, scope = 'everything'): Freeze => ({
  epoch: 1,
  id: new Uint8Array(randomBytes(16)),
  scope,
  reason: 'two keys are out',
  by: 'alice',
  issuedAt: BigInt(clock.nowMs) / 1000n,
});

function freeze(quorum: Quorum, vaults = quorum.vaults, scope?: string): Freeze {
  const document = freezeOf(quorum, scope);
  const frozen = signedBy(freezeDocument, document, [quorum.operators[0]!.byKey]);
  for (const vault of vaults) assert.ok(call(vault, 'freeze', frozen).ok);
  return document;
}

function lift({ operators, clock }: Quorum, vaults: readonly Vault[], { id }: Freeze): void {
  const document = unfreezeDocument.normal({
    epoch: 1,
    freezes: [id],
    suspend: [],
    restore: [],
    reason: '',
    expiry: BigInt(clock.nowMs) / 1000n + 3600n,
  });
  const people = operators.slice(0, 2).map(({ byPasskey }) => byPasskey);
  for (const vault of vaults)
    assert.ok(call(vault, 'unfreeze', signedBy(unfreezeDocument, document, people)).ok);
}

interface To {
  readonly script?: Uint8Array;
  readonly value?: bigint;
  readonly fee?: bigint;
  readonly extra?: { readonly script: Uint8Array; readonly value: bigint };
}

function evacuation({ manifest }: Quorum, coins: readonly Coin[], to: To = {}): BitcoinEvacuation {
  const psbt = new bitcoin.Psbt({ network });
  psbt.setVersion(2);
  for (const one of coins) psbt.addInput(psbtInput(manifest, one));
  const script = to.script ?? bitcoin.address.toOutputScript(manifest.bitcoin[0]!.cold, network);
  const whole = coins.reduce((sum, { value }) => sum + value, 0n) - (to.extra?.value ?? 0n);
  psbt.addOutput({ script, value: to.value ?? whole - (to.fee ?? 5_000n) });
  if (to.extra !== undefined) psbt.addOutput(to.extra);
  const inputs = coins.map(({ branch, index }) => ({ branch, index }));
  return { type: 'bitcoin-evacuate', network: REGTEST, epoch: 1, psbt: psbt.toBase64(), inputs };
}

const evacuate = (vault: Vault, request: unknown): Signed | Refused =>
  callThrough(vault, 'evacuate', request) as unknown as Signed | Refused;
function gone(vault: Vault, request: unknown): string {
  const answer = evacuate(vault, request);
  assert.ok(answer.ok, answer.ok ? '' : `${answer.code}: ${answer.detail}`);
  assert.ok(answer.psbt);
  return answer.psbt;
}
function stays(vault: Vault, request: unknown, code: Refused['code']): void {
  const answer = evacuate(vault, request);
  assert.equal(answer.ok ? 'signed' : answer.code, code, answer.ok ? '' : answer.detail);
}
function within(act: (quorum: Quorum) => void, options: Parameters<typeof makeQuorum>[0] = {}): void {
  const quorum = makeQuorum(options);
  try {
    act(quorum);
  } finally {
    quorum.close();
  }
}

test('two of three signatures make an evacuation that bitcoinjs-lib verifies; again they are the same, journalled once', () =>
  within((quorum) => {
    const [first, second] = quorum.vaults;
    freeze(quorum);
    const { manifest } = quorum;
    const request = evacuation(quorum, [coin(manifest, 90_000n), coin(manifest, 50_000n, 1, 8)]);
    const psbts = [first, second].map((vault) => gone(vault!, request));
    const journal = (): string => readFileSync(join(quorum.folders[0]!, 'journal.jsonl'), 'utf8');
    const before = journal();
    assert.equal(before.split('"kind":"bitcoin-evacuate"').length, 2);
    assert.deepEqual(
      [first, second].map((vault) => gone(vault!, request)),
      psbts,
    );
    assert.equal(journal(), before);
    const whole = bitcoin.Psbt.fromBase64(request.psbt, { network }).combine(
      ...psbts.map((psbt) => bitcoin.Psbt.fromBase64(psbt, { network })),
    );
    const verify = (key: Uint8Array, hash: Uint8Array, signature: Uint8Array) =>
      ecc.verify(hash, key, signature);
    assert.ok(whole.validateSignaturesOfAllInputs(verify));
    assert.equal(whole.finalizeAllInputs().extractTransaction().outs.length, 1);
  }));

test('it is signed under a freeze of the network alone: not before, not under another’s, not once it is lifted', () =>
  within((quorum) => {
    const [first] = quorum.vaults;
    const request = evacuation(quorum, [coin(quorum.manifest, 90_000n)]);
    stays(first!, request, 'NOT_FROZEN');
    freeze(quorum, quorum.vaults, TESTNET);
    stays(first!, request, 'NOT_FROZEN');
    const standing = freeze(quorum, quorum.vaults, REGTEST);
    gone(first!, request);
    lift(quorum, quorum.vaults, standing);
    stays(first!, request, 'NOT_FROZEN');
  }));

test('peers that know of no freeze hold nothing of it, and nothing is signed; a freeze lifted while they are asked ends it', () =>
  within((quorum) => {
    const [first, second, third] = quorum.vaults;
    const mine = freeze(quorum, [first!]);
    const request = evacuation(quorum, [coin(quorum.manifest, 90_000n)]);
    stays(first!, request, 'NOT_COUNTERSIGNED');
    freeze(quorum, [second!, third!]);
    gone(first!, request);
    const next = evacuation(quorum, [coin(quorum.manifest, 80_000n)]);
    const { awaiting } = call(first!, 'evacuate', next) as unknown as Awaiting;
    const countersignatures = [second!, third!].map((peer) => {
      const { signer, countersignature: signature } = askPeer(first!, peer, awaiting);
      return { signer, signature };
    });
    lift(quorum, [first!], mine);
    const late = call(first!, 'release', { id: awaiting.id, countersignatures });
    assert.equal(late['code'], 'NOT_FROZEN');
  }));

test('it goes to the cold address alone, whole, out of our coins alone', () =>
  within((quorum) => {
    const { manifest, vaults } = quorum;
    const [first] = vaults;
    freeze(quorum);
    const ours = coin(manifest, 90_000n);
    const thief = bitcoin.address.toOutputScript('bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9pz3cppk', network);
    stays(first!, evacuation(quorum, [ours], { script: thief }), 'NOT_TO_COLD');
    const change = walletPayment(manifest, 1, 9).output;
    stays(first!, evacuation(quorum, [ours], { script: change }), 'NOT_TO_COLD');
    stays(first!, evacuation(quorum, [ours], { extra: { script: thief, value: 1_000n } }), 'NOT_TO_COLD');
    stays(first!, evacuation(quorum, [ours], { extra: { script: change, value: 1_000n } }), 'NOT_TO_COLD');
    stays(first!, { ...evacuation(quorum, [ours]), inputs: [{ branch: 0, index: 4 }] }, 'INPUT_NOT_OURS');
    stays(
      first!,
      { ...evacuation(quorum, [ours]), inputs: [{ branch: 0, index: 100_001 }] },
      'INDEX_TOO_HIGH',
    );
    stays(first!, { ...evacuation(quorum, [ours]), network: TESTNET }, 'NOT_TO_COLD');
    stays(first!, { ...evacuation(quorum, [ours]), network: 'bip122:ff' }, 'UNKNOWN_NETWORK');
    stays(first!, { ...evacuation(quorum, [ours]), epoch: 2 }, 'WRONG_EPOCH');
    stays(first!, evacuation(quorum, [coin(manifest, 3_000n)], { value: 200n }), 'DUST');
    stays(first!, evacuation(quorum, [ours], { value: 95_000n }), 'OUTPUTS_EXCEED_INPUTS');
    stays(first!, evacuation(quorum, [ours], { fee: 60_000n }), 'FEE_RATE_TOO_HIGH');
    const rich = coin(manifest, 10_000_000n);
    stays(first!, evacuation(quorum, [rich], { fee: 500_001n }), 'FEE_TOO_HIGH');
    stays(first!, bitcoinRequest(manifest, payment(manifest)), 'MALFORMED');
    refused(first!, evacuation(quorum, [ours]), 'MALFORMED');
  }));

test('a thousand requests burn no more than the window of fees, and replacements of the same coins count once', () =>
  within(
    (quorum) => {
      const { manifest, vaults } = quorum;
      const [first, second] = vaults;
      freeze(quorum);
      const one = coin(manifest, 90_000n);
      gone(first!, evacuation(quorum, [one], { fee: 4_000n }));
      gone(first!, evacuation(quorum, [one], { fee: 6_000n }));
      let burnt = 6_000n;
      for (let i = 0; i < 1_000; i += 1) {
        const answer = evacuate(
          i % 2 === 0 ? first! : second!,
          evacuation(quorum, [coin(manifest, 90_000n)]),
        );
        if (answer.ok) burnt += 5_000n;
        else assert.ok(['WINDOW_FEES', 'NOT_COUNTERSIGNED'].includes(answer.code), answer.code);
      }
      assert.equal(burnt, 46_000n);
    },
    {
      policy: {
        fees: [REGTEST, TESTNET].map((name) => ({ network: name, seconds: 86_400, feeMax: 50_000n })),
      },
    },
  ));

test('a policy that no longer names the asset, and one that demands attestations, hold up no evacuation', () =>
  within(
    (quorum) => {
      freeze(quorum);
      gone(quorum.vaults[0]!, evacuation(quorum, [coin(quorum.manifest, 90_000n)]));
    },
    { policy: { assets: [], attestations: [{ network: REGTEST, maxSeconds: 60 }] } },
  ));

test('an order whose coin was evacuated is paid anew only by what spends that coin, after a restart too', () =>
  within(
    (quorum) => {
      const { manifest, vaults } = quorum;
      const [first] = vaults;
      const parts = payment(manifest);
      const request = bitcoinRequest(manifest, parts);
      signed(first!, request);
      const standing = freeze(quorum);
      const taken = evacuation(quorum, parts.coins);
      const psbt = gone(first!, taken);
      gone(first!, evacuation(quorum, [changeOf(request, 1, 9)]));
      lift(quorum, vaults, standing);
      const elsewhere = bitcoinRequest(manifest, { ...parts, coins: [coin(manifest, 200_000n)] });
      refused(first!, elsewhere, 'NOT_A_REPLACEMENT');
      const again = quorum.reopen(0);
      assert.ok(call(again, 'unseal', { passphrase: PASSPHRASE }).ok);
      stays(again, taken, 'NOT_FROZEN');
      freeze(quorum, [again]);
      assert.equal(gone(again, taken), psbt);
      again.close();
    },
    { signers: 1, threshold: 1 },
  ));

test('a manifest whose cold address is no canonical one of its network is not pinned', () =>
  within(
    ({ manifest, vaults }) => {
      for (const cold of [
        'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4',
        manifest.bitcoin[0]!.cold.toUpperCase(),
        `${manifest.bitcoin[0]!.cold.slice(0, -1)}q`,
      ]) {
        const [regtest, testnet] = manifest.bitcoin;
        const bent = { ...manifest, bitcoin: [{ ...regtest!, cold }, testnet!] };
        assert.equal(call(vaults[0]!, 'manifest', signedManifest(bent))['code'], 'MANIFEST_REFUSED', cold);
      }
    },
    { pin: false },
  ));
