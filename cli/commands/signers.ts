import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { openSigner, type SignerConnection } from '../../client/signer.ts';
import { toHex } from '../../signer/protocol/canonical.ts';
import { EVERYTHING, freezeDocument } from '../../signer/protocol/freeze.ts';
import { parseSignedManifest, type Manifest } from '../../signer/protocol/manifest.ts';
import { parseStatusAnswer, type Status } from '../../signer/protocol/messages.ts';
import type { PolicyVersions } from '../../signer/protocol/policy-versions.ts';
import { signaturesToJson } from '../../signer/protocol/signatures.ts';
import { SaidError, UsageError } from '../connection.ts';
import type { OpenTerminal } from '../main.ts';
import { readKit, type OperatorKit } from '../operator-kit.ts';
import { table } from '../output.ts';
import { askPassphrase } from '../passphrase.ts';

/** A signer that does not answer within this is told so, and the others have frozen long before. */
const ANSWER_WITHIN_MS = 5_000;

const FREEZE_HELP = `
SCOPE is "${EVERYTHING}", a network (eip155:1) or an asset (eip155:1/slip44:60), as the manifest spells it.
Works with core down: the command speaks to the signers themselves. Only a quorum of operators lifts it.

Examples:
  portcullis freeze ${EVERYTHING} --as .portcullis/operators/alice --reason "unknown transfer from the hot wallet"
  portcullis signers --as .portcullis/operators/alice
`;

export const asOption = (): Option =>
  new Option('--as <folder>', "the operator's kit").env('PORTCULLIS_OPERATOR').makeOptionMandatory();

/** What an operator does at the signers themselves, without core. */
export function signerCommands(program: Command, open: OpenTerminal): void {
  program
    .command('freeze <scope>')
    .description('stop payments of a scope at every signer, now; anyone in the roster may')
    .addOption(asOption())
    .option('--reason <text>', 'what others will read', '')
    .option('--passphrase-file <file>', 'instead of asking for the passphrase of the command key')
    .addHelpText('after', FREEZE_HELP)
    .action(async (scope: string, options: FreezeOptions, command: Command) => {
      const { output } = open(command);
      const kit = readKit(options.as);
      const key = kit.openKey(await passphrase(options));
      const body = freezeOf(scope, options.reason, { kit, key });
      const begun = performance.now();
      const answers = await atAll(
        kit,
        async (ask) => requireOk(await ask('POST', '/v1/freeze', body)),
        begun,
      );
      output.show({ scope, id: body.document.id, signers: answers }, () =>
        table(
          ['signer', '', 'ms', scope],
          answers.map((one) => [
            one.signer,
            one.ok ? '✓' : '✗',
            Math.round(one.ms),
            one.ok ? 'frozen' : one.error,
          ]),
          '',
        ),
      );
      const missing = answers.filter(({ ok }) => !ok).map(({ signer }) => signer);
      if (missing.length > 0)
        throw new SaidError(`Not frozen at ${missing.join(', ')}: repeat the command, or stop that signer.`);
    });
  program
    .command('signers')
    .description('what each signer says of itself: sealed, pinned, journal, freezes')
    .addOption(asOption())
    .action(async (options: { as: string }, command: Command) => {
      const { output } = open(command);
      const kit = readKit(options.as);
      const answers = await atAll(
        kit,
        async (ask) => statusOf(await ask('GET', '/v1/status')),
        performance.now(),
      );
      output.show({ signers: answers }, () =>
        table(
          ['signer', 'state', 'journal', 'policy', 'own nodes', 'freezes'],
          answers.map((one) => (one.ok ? statusRow(one.answer) : [one.signer, one.error, null, null, null])),
          '',
        ),
      );
      if (answers.some(({ ok }) => !ok)) throw new SaidError('A signer did not answer.');
    });
}

interface FreezeOptions {
  readonly as: string;
  readonly reason: string;
  readonly passphraseFile?: string;
}

/** Of the command key: from the file, or asked for. */
export async function passphrase({
  as,
  passphraseFile,
}: Pick<FreezeOptions, 'as' | 'passphraseFile'>): Promise<string> {
  if (passphraseFile === undefined) return askPassphrase(`Passphrase of the command key in ${resolve(as)}: `);
  try {
    return readFileSync(passphraseFile, 'utf8').trim();
  } catch (cause) {
    throw new UsageError(`The passphrase file ${passphraseFile} cannot be read.`, { cause });
  }
}

function freezeOf(
  scope: string,
  reason: string,
  { kit, key }: { kit: OperatorKit; key: ReturnType<OperatorKit['openKey']> },
) {
  const manifest = manifestOf(kit);
  const scopes = scopesOf(manifest);
  if (!scopes.includes(scope)) {
    throw new UsageError(`No such scope: ${scope}. There is\n${scopes.map((one) => `  ${one}`).join('\n')}`);
  }
  const freeze = {
    epoch: manifest.epoch,
    id: randomBytes(16),
    scope,
    reason: reason.normalize('NFC'),
    by: kit.id,
    issuedAt: BigInt(Math.floor(Date.now() / 1000)),
  };
  const digest = freezeDocument.digest(freeze, (bytes) => createHash('sha256').update(bytes).digest());
  const signature = { kind: 'key' as const, by: kit.id, signature: key.sign(digest) };
  const document = { ...(freezeDocument.toJson(freeze) as object), id: toHex(freeze.id) };
  return { document, signatures: signaturesToJson([signature]) };
}

/** The manifest that the kit holds. Throws UsageError. */
export function manifestOf({ manifest }: OperatorKit): Manifest {
  const parsed = parseSignedManifest(manifest);
  if (!parsed.ok) throw new UsageError(`The kit's manifest is malformed: ${parsed.detail}`);
  return parsed.value;
}

function scopesOf({ bitcoin, evm }: Manifest): string[] {
  const networks = [...bitcoin, ...evm].map(({ network }) => network);
  const assets = [...bitcoin, ...evm.flatMap(({ tokens }) => tokens)].map(({ asset }) => asset);
  return [EVERYTHING, ...networks, ...assets];
}

/** What one signer answered, or why it did not. */
export type Answered<T> =
  | { readonly signer: string; readonly ok: true; readonly ms: number; readonly answer: T }
  | { readonly signer: string; readonly ok: false; readonly ms: number; readonly error: string };

/** All at once: one that is slow or gone holds up nobody. */
export async function atAll<T>(
  { signers }: OperatorKit,
  act: (ask: ReturnType<typeof openSigner>) => Promise<T>,
  begun: number,
): Promise<Answered<T>[]> {
  const one = async (signer: SignerConnection & { id: string }): Promise<Answered<T>> => {
    try {
      const answer = await act(openSigner(signer, ANSWER_WITHIN_MS));
      return { signer: signer.id, ok: true, ms: performance.now() - begun, answer };
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      return { signer: signer.id, ok: false, ms: performance.now() - begun, error: text };
    }
  };
  return Promise.all(signers.map(one));
}

/** Throws what a signer refused. */
export function requireOk(answer: Record<string, unknown>): Record<string, unknown> {
  if (answer['ok'] === true) return answer;
  throw new Error(`${String(answer['code'])}: ${String(answer['detail'])}`);
}

/** Throws what the signer said instead of a status. */
export function statusOf(answer: unknown): Status {
  const parsed = parseStatusAnswer(answer);
  if (!parsed.ok) throw new Error(`answered something that is no status: ${parsed.detail}`);
  if (!parsed.value.ok) throw new Error(`${parsed.value.code}: ${parsed.value.detail}`);
  return parsed.value;
}

const statusRow = ({ signer, sealed, ready, journal, freezes, policy, witness }: Status): string[] => [
  signer,
  sealed ? 'sealed' : ready ? 'ready' : 'no manifest',
  `${journal.sequence} ${journal.hash.slice(0, 12)}`,
  policyCell(policy ?? null),
  witness.join('\n') || 'none',
  freezes.map(({ scope, by, reason }) => `${scope} by ${by}${reason && `: ${reason}`}`).join('\n') || 'none',
];

const policyCell = (policy: PolicyVersions | null): string => {
  if (policy === null) return 'none';
  const { version, waiting } = policy;
  return waiting === null
    ? `version ${version}`
    : `version ${version}\nversion ${waiting.version} from ${new Date(waiting.fromMs).toISOString()}`;
};
