import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { CeremonyError, jsonText, writeOnce } from '../../signer/ceremony/files.ts';
import { passkeyToJson } from '../../signer/ceremony/passkey-enrolment.ts';
import { compareBytes, toHex } from '../../signer/protocol/canonical.ts';
import type { Manifest } from '../../signer/protocol/manifest.ts';
import { UsageError } from '../connection.ts';
import type { OpenTerminal } from '../main.ts';
import { hasKit, PASSKEY_FILE, readKit } from '../operator-kit.ts';
import { makePasskey } from '../passkey-page/passkey-page.ts';
import { asOption, manifestOf } from './signers.ts';

const PAGE_OPEN_MS = 10 * 60_000;
/** Where the ceremony's plan says that operators use their passkeys, unless it says otherwise. */
const ORIGIN = 'http://localhost:7391';

const HELP = `
Before the ceremony: name yourself with --id; portcullis ceremony operator takes the passkey from the folder.
Later: signers take passkeys of the pinned manifest alone, so a new one counts from the next epoch on.
`;

/** What is an operator's own, apart from the ceremony's steps. */
export function operatorCommands(program: Command, open: OpenTerminal): void {
  const operator = program.command('operator').description("an operator's own passkey");
  operator
    .command('passkey')
    .description('make your passkey on a page in your browser, and keep its public key in your kit')
    .addOption(asOption())
    .option('--id <id>', 'who you are, where the kit does not say it yet')
    .option('--origin <url>', `where operators use their passkeys (else the manifest’s, or ${ORIGIN})`)
    .addHelpText('after', HELP)
    .action(async (options: { as: string; id?: string; origin?: string }, command: Command) => {
      const { output } = open(command);
      const { id, manifest } = whoIn(options);
      const origin = options.origin ?? manifest?.operatorOrigin ?? ORIGIN;
      const file = join(options.as, PASSKEY_FILE);
      if (existsSync(file))
        throw new CeremonyError(
          'FILE_EXISTS',
          `${file} is there: move it away first if you mean another passkey`,
        );
      mkdirSync(options.as, { recursive: true, mode: 0o700 });
      const made = await makePasskey({
        origin,
        by: id,
        name: `Portcullis operator ${id}, ${new Date().toISOString().slice(0, 10)}`,
        random: { makes: randomBytes(32), uses: randomBytes(32), user: randomBytes(16) },
        // On stderr with --json too: nobody could make one without it.
        tell: (url) => void process.stderr.write(`Open this page on this machine:\n${url}\n`),
        timeoutMs: PAGE_OPEN_MS,
      });
      writeOnce(file, jsonText(passkeyToJson(made, { id, origin })), 0o600);
      const publicKey = toHex(made.publicKey);
      const known = manifest?.operators.find((one) => one.id === id);
      const inForce = known !== undefined && compareBytes(known.passkey, made.publicKey) === 0;
      output.show({ id, origin, publicKey, file: resolve(file), inForce }, () =>
        [
          `✓ The passkey of ${id} is made and has signed once.`,
          `    public key  ${publicKey}`,
          `    kept in     ${resolve(file)}`,
          '',
          ...next(id, options.as, manifest),
        ].join('\n'),
      );
    });
}

function next(id: string, folder: string, manifest: Manifest | undefined): string[] {
  if (manifest === undefined)
    return [
      `Next: portcullis ceremony operator ${id} --kit ${folder} --guardian 0x… --passphrase-file …`,
      'The card names this passkey.',
    ];
  return [
    `The manifest of epoch ${manifest.epoch} does not name it, and no signer takes another manifest in that epoch.`,
    'Go on signing with the passkey that it names. This one counts once the next epoch’s manifest does:',
    'move the old card away, make a new one (portcullis ceremony operator), and hold the ceremony.',
  ];
}

function whoIn({ as, id }: { as: string; id?: string }): { id: string; manifest: Manifest | undefined } {
  if (!hasKit(as)) {
    if (id === undefined)
      throw new UsageError(`The kit in ${as} does not say who you are yet: name it with --id.`);
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(id) || id.length > 32)
      throw new UsageError(`${id} is no name: small letters and digits, at most 32.`);
    return { id, manifest: undefined };
  }
  const kit = readKit(as);
  if (id !== undefined && id !== kit.id)
    throw new UsageError(`The kit in ${as} is of ${kit.id}, not of ${id}.`);
  return { id: kit.id, manifest: kit.hasManifest ? manifestOf(kit) : undefined };
}
