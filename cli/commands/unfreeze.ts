import { createHash } from 'node:crypto';
import { InvalidArgumentError, type Command } from 'commander';
import { checkApprovals } from '../../signer/ceremony/approvals.ts';
import { jsonText, writeOnce } from '../../signer/ceremony/files.ts';
import { spoken } from '../../signer/ceremony/pinned.ts';
import { fromHex, toHex } from '../../signer/protocol/canonical.ts';
import { unfreezeDocument, type Unfreeze } from '../../signer/protocol/freeze.ts';
import type { Manifest } from '../../signer/protocol/manifest.ts';
import { signaturesToJson, type DocumentSignature } from '../../signer/protocol/signatures.ts';
import { SaidError, UsageError } from '../connection.ts';
import type { OpenTerminal } from '../main.ts';
import { readKit, type OperatorKit } from '../operator-kit.ts';
import { table } from '../output.ts';
import { askPasskey } from '../passkey-page/passkey-page.ts';
import { readTravelling, replaceFile } from '../travelling-file.ts';
import { askFreezes, type FreezeAtSigners } from './freezes.ts';
import { asOption, atAll, manifestOf, requireOk } from './signers.ts';

const HOURS_DEFAULT = 24;
/** Signers take none that is longer good for. */
const HOURS_MAX = 168;
const PAGE_OPEN_MS = 10 * 60_000;

const PROPOSE_HELP = `
WHAT is a scope, whose freezes are all lifted, or the id of one freeze ("portcullis freezes list").
The file goes from operator to operator; each runs "portcullis unfreeze approve FILE".
`;

/** How a quorum starts payments again: a file that goes round, and each operator's passkey under it. */
export function unfreezeCommands(program: Command, open: OpenTerminal): void {
  const unfreeze = program.command('unfreeze').description('lift freezes, by a quorum of passkeys');
  unfreeze
    .command('propose <file> [what...]')
    .description('write the file that lifts these freezes once a quorum has signed it')
    .addOption(asOption())
    .option('--suspend <id...>', 'who may no longer freeze or tighten', [])
    .option('--restore <id...>', 'who may again', [])
    .option('--reason <text>', 'what others will read', '')
    .option('--hours <number>', 'how long signers take it', hoursOption, HOURS_DEFAULT)
    .addHelpText('after', PROPOSE_HELP)
    .action(async (file: string, what: string[], options: ProposeOptions, command: Command) => {
      const { output } = open(command);
      const kit = readKit(options.as);
      const { freezes, silent } = await askFreezes(kit);
      const document = proposed(manifestOf(kit), { what, freezes, options });
      const lines = linesOf(document, freezes);
      const written = { document: unfreezeDocument.toJson(document), signatures: [] };
      writeOnce(file, jsonText(written));
      output.show({ file, digest: toHex(digestOf(document)), lines, silent }, () =>
        [
          ...lines,
          ...silent.map(
            ({ signer }) => `${signer} gave no answer: a freeze that it alone has is not in here.`,
          ),
          spoken(digestOf(document)),
          `Next: portcullis unfreeze approve ${file}`,
        ].join('\n'),
      );
    });
  unfreeze
    .command('approve <file>')
    .description('sign it with your passkey, on a page in your browser; the last of the quorum lifts')
    .addOption(asOption())
    .action(async (file: string, options: { as: string }, command: Command) => {
      const { output } = open(command);
      const kit = readKit(options.as);
      const manifest = manifestOf(kit);
      const { document, signatures } = readUnfreeze(file);
      const digest = digestOf(document);
      checkApprovals(signatures, { digest, manifest });
      const signed = signatures.some(({ by }) => by === kit.id)
        ? signatures
        : [...signatures, await signedByMe(kit, { document, manifest })];
      const body = { document: unfreezeDocument.toJson(document), signatures: signaturesToJson(signed) };
      replaceFile(file, jsonText(body));
      const missing = manifest.operatorQuorum - signed.length;
      const by = signed.map((one) => one.by);
      if (missing > 0) {
        output.show({ file, by, missing, signers: [] }, () => `Signed by ${by.join(', ')}; ${missing} more.`);
        return;
      }
      const answers = await atAll(
        kit,
        async (ask) => requireOk(await ask('POST', '/v1/unfreeze', body)),
        performance.now(),
      );
      output.show({ file, by, missing: 0, signers: answers }, () =>
        table(
          ['signer', '', 'unfreeze'],
          answers.map((one) => [one.signer, one.ok ? '✓' : '✗', one.ok ? 'taken' : one.error]),
          '',
        ),
      );
      const refused = answers.filter(({ ok }) => !ok).map(({ signer }) => signer);
      if (refused.length > 0) throw new SaidError(`Not taken by ${refused.join(', ')}: repeat the command.`);
    });
}

interface ProposeOptions {
  readonly as: string;
  readonly suspend: string[];
  readonly restore: string[];
  readonly reason: string;
  readonly hours: number;
}

function hoursOption(text: string): number {
  const hours = /^[0-9]{1,3}$/.test(text) ? Number(text) : 0;
  if (hours < 1 || hours > HOURS_MAX)
    throw new InvalidArgumentError(`It takes a whole number from 1 to ${HOURS_MAX}.`);
  return hours;
}

function proposed(
  { epoch, operators, sentinels }: Manifest,
  parts: { what: string[]; freezes: readonly FreezeAtSigners[]; options: ProposeOptions },
): Unfreeze {
  const { what, freezes, options } = parts;
  const roster = new Set([...operators, ...sentinels].map(({ id }) => id));
  const stranger = [...options.suspend, ...options.restore].find((id) => !roster.has(id));
  if (stranger !== undefined) throw new UsageError(`${stranger} is nobody in the roster.`);
  const ids = new Set<string>();
  for (const one of what) {
    const found = freezes.filter(({ id, scope }) => id === one || scope === one);
    if (found.length === 0)
      throw new UsageError(`No freeze of scope or id ${one} stands: see portcullis freezes list.`);
    for (const { id } of found) ids.add(id);
  }
  const unfreeze = unfreezeDocument.normal({
    epoch,
    freezes: [...ids].map((id) => fromHex(id)),
    suspend: [...new Set(options.suspend)],
    restore: [...new Set(options.restore)],
    reason: options.reason.normalize('NFC'),
    expiry: BigInt(Math.floor(Date.now() / 1000) + options.hours * 3600),
  });
  const checked = unfreezeDocument.parse(unfreezeDocument.toJson(unfreeze));
  if (!checked.ok) throw new UsageError(`That makes no unfreeze: ${checked.detail}`);
  return checked.value;
}

/** In plain words; freezes are named as the signers know them now. */
function linesOf(document: Unfreeze, standing: readonly FreezeAtSigners[]): string[] {
  const lifted = document.freezes.flatMap((bytes) => {
    const id = toHex(bytes);
    const known = standing.filter((one) => one.id === id);
    if (known.length === 0) return [`Ends freeze ${id}, which no signer that answered has`];
    return known.map(
      ({ scope, by, reason }) => `Ends the freeze of ${scope} by ${by} (“${reason}”), id ${id}`,
    );
  });
  return [
    ...lifted,
    ...document.suspend.map((id) => `${id} may no longer freeze or tighten`),
    ...document.restore.map((id) => `${id} may freeze and tighten again`),
    `Reason given: ${document.reason || 'none'}`,
    `For epoch ${document.epoch}; good until ${new Date(Number(document.expiry) * 1000).toISOString()}`,
  ];
}

async function signedByMe(
  kit: OperatorKit,
  { document, manifest }: { document: Unfreeze; manifest: Manifest },
): Promise<DocumentSignature> {
  const digest = digestOf(document);
  const lines = linesOf(document, (await askFreezes(kit)).freezes);
  return askPasskey({
    origin: manifest.operatorOrigin,
    by: kit.id,
    title: 'Lift freezes',
    lines,
    bytes: unfreezeDocument.encode(document),
    check: (signature) => checkApprovals([signature], { digest, manifest }),
    // On stderr with --json too: nobody could sign without it.
    tell: (url) =>
      void process.stderr.write(
        `${lines.join('\n')}\n${spoken(digest)}\nOpen this page and compare the groups:\n${url}\n`,
      ),
    timeoutMs: PAGE_OPEN_MS,
  });
}

const readUnfreeze = (file: string): { document: Unfreeze; signatures: readonly DocumentSignature[] } =>
  readTravelling(file, unfreezeDocument, 'unfreeze');

const digestOf = (document: Unfreeze): Uint8Array =>
  unfreezeDocument.digest(document, (bytes) => createHash('sha256').update(bytes).digest());
