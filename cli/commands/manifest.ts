import type { Command } from 'commander';
import type { AskSigner } from '../../client/signer.ts';
import { checkedManifest } from '../../signer/ceremony/approvals.ts';
import { CeremonyError, readJson } from '../../signer/ceremony/files.ts';
import { manifestHash, signedManifestInLines, spoken } from '../../signer/ceremony/pinned.ts';
import { toHex } from '../../signer/protocol/canonical.ts';
import { manifestDocument, parseSignedManifest, type Manifest } from '../../signer/protocol/manifest.ts';
import { parseJournalAnswer } from '../../signer/protocol/messages.ts';
import { UsageError } from '../connection.ts';
import type { OpenTerminal } from '../main.ts';
import { readKit, type OperatorKit } from '../operator-kit.ts';
import { details, table } from '../output.ts';
import { asOption, atAll, type Answered } from './signers.ts';

const HELP = `
Without a file, the manifest of the kit. Every signer is asked what its own journal holds; core has no part in it.
A manifest is signed by the operators that it names itself: that they are the right people is what its groups are
compared for, by voice (docs/ceremony.md).
`;

interface Held {
  readonly manifest: Manifest;
  /** As the signer took it, with its signatures. */
  readonly signed: unknown;
}

/** What every zone is pinned to: shown, and checked against every signer. */
export function manifestCommands(program: Command, open: OpenTerminal): void {
  const manifest = program
    .command('manifest')
    .description('what the signers are pinned to: show it, or check signatures and signers')
    .addHelpText('after', HELP);
  manifest
    .command('show [file]')
    .description('what it says, its hash in groups, and which signers have pinned what')
    .addOption(asOption())
    .action(async (file: string | undefined, options: { as: string }, command: Command) => {
      const { output } = open(command);
      const kit = readKit(options.as);
      const own = read(kit, file).manifest;
      const answers = await askManifests(kit);
      const signers = answers.map((one) => pinned(one, own));
      output.show({ ...summary(own), signers, manifest: manifestDocument.toJson(own) }, () =>
        [contents(own), '', spoken(manifestHash(own)), '', signerTable(signers)].join('\n'),
      );
    });
  manifest
    .command('verify [file]')
    .description("check the quorum's signatures here, and that every signer has pinned this very manifest")
    .addOption(asOption())
    .action(async (file: string | undefined, options: { as: string }, command: Command) => {
      const { output } = open(command);
      const kit = readKit(options.as);
      const { manifest: own, signed } = read(kit, file);
      checkedManifest(signed);
      const answers = await askManifests(kit);
      for (const one of answers) if (one.ok && one.answer !== undefined) checkAt(one.signer, one.answer);
      const signers = answers.map((one) => pinned(one, own));
      checkAll(own, signers);
      output.show({ ...summary(own), signers }, () =>
        [
          `✓ ${own.operatorQuorum} or more of its operators signed it, each with their passkey.`,
          ...signers.map(({ signer }) => `✓ ${signer} has pinned it.`),
          '',
          spoken(manifestHash(own)),
          '',
          'Compare the groups with the other operators’ screens, and with what the ceremony wrote down.',
        ].join('\n'),
      );
    });
}

interface Pinned {
  readonly signer: string;
  /** Lower-case hex; nothing when it has none, or gave no answer. */
  readonly hash: string | null;
  readonly same: boolean;
  readonly error?: string;
}

function pinned(one: Answered<Held | undefined>, own: Manifest): Pinned {
  const { signer } = one;
  if (!one.ok) return { signer, hash: null, same: false, error: one.error };
  if (one.answer === undefined) return { signer, hash: null, same: false };
  const hash = toHex(manifestHash(one.answer.manifest));
  return { signer, hash, same: hash === toHex(manifestHash(own)) };
}

function checkAll(own: Manifest, signers: readonly Pinned[]): void {
  const silent = signers.filter(({ error }) => error !== undefined);
  if (silent.length > 0)
    throw new CeremonyError(
      'SIGNER_REFUSED',
      `no answer of ${silent.map((one) => `${one.signer} (${one.error})`).join(', ')}`,
    );
  const other = signers.filter(({ same }) => !same);
  if (other.length > 0)
    throw new CeremonyError(
      'MANIFEST_DIFFERS',
      other.map(({ signer, hash }) => `${signer} has pinned ${hash ?? 'none'}`).join('; '),
    );
  const missing = own.signers.filter(({ id }) => signers.every(({ signer }) => signer !== id));
  if (missing.length > 0)
    throw new CeremonyError(
      'MANIFEST_DIFFERS',
      `the kit does not reach ${missing.map(({ id }) => id).join(', ')}, which the manifest names`,
    );
}

/** What a signer holds has to be signed as well as ours: a journal is only its own word. */
function checkAt(signer: string, { signed }: Held): void {
  try {
    checkedManifest(signed);
  } catch (error) {
    if (!(error instanceof CeremonyError)) throw error;
    throw new CeremonyError(error.code, `${signer}: ${error.message}`, error);
  }
}

function read({ manifest }: OperatorKit, file: string | undefined): Held {
  const signed = file === undefined ? manifest : readJson(file);
  const parsed = parseSignedManifest(signed);
  if (!parsed.ok) throw new UsageError(`${file ?? "The kit's manifest"}: ${parsed.detail}`);
  return { manifest: parsed.value, signed };
}

const askManifests = (kit: OperatorKit): Promise<Answered<Held | undefined>[]> =>
  atAll(kit, heldAt, performance.now());

/** A manifest is among the first entries: no more of the journal is read than that. */
async function heldAt(ask: AskSigner): Promise<Held | undefined> {
  const lines: string[] = [];
  for (;;) {
    const page = parseJournalAnswer(await ask('GET', `/v1/journal?after=${lines.length}`));
    if (!page.ok) throw new Error(page.detail);
    if (!page.value.ok) throw new Error(`${page.value.code}: ${page.value.detail}`);
    lines.push(...page.value.lines);
    const signed = signedManifestInLines(lines);
    const parsed = signed === undefined ? undefined : parseSignedManifest(signed);
    if (parsed?.ok === false) throw new Error(parsed.detail);
    if (parsed !== undefined) return { manifest: parsed.value, signed };
    if (page.value.lines.length === 0) return undefined;
  }
}

const summary = (manifest: Manifest) => ({ epoch: manifest.epoch, hash: toHex(manifestHash(manifest)) });

function contents({ epoch, threshold, journalCopies, ...rest }: Manifest): string {
  const { signers, operators, operatorQuorum, sentinels, bitcoin, evm } = rest;
  return details([
    ['epoch', epoch],
    ['payments need', `${threshold} of ${signers.length} signers; journals are held by ${journalCopies}`],
    ...signers.map((one): [string, string] => [`signer ${one.id}`, one.evmAddress]),
    ['loosening needs', `${operatorQuorum} of ${operators.length} operators, at ${rest.operatorOrigin}`],
    ...operators.map((one): [string, string] => [
      `operator ${one.id}`,
      `passkey ${toHex(one.passkey)}, guardian ${one.guardian}`,
    ]),
    ...sentinels.map((one): [string, string] => [`sentinel ${one.id}`, toHex(one.key)]),
    ...bitcoin.map((one): [string, string] => [
      one.network,
      `fees at most ${one.feeMaxSat} sat, ${one.feeRateMaxSatPerVb} sat/vB`,
    ]),
    ...evm.map((one): [string, string] => [
      one.network,
      `vault ${one.vault}: ${one.tokens.map(({ asset }) => asset).join(', ')}`,
    ]),
    ['customers sign at', rest.customerOrigin],
  ]);
}

const signerTable = (signers: readonly Pinned[]): string =>
  table(
    ['signer', '', 'has pinned'],
    signers.map(({ signer, hash, same, error }) => [
      signer,
      same ? '✓' : '✗',
      error ?? (hash === null ? 'none' : same ? 'this manifest' : `another: ${hash}`),
    ]),
    '',
  );
