import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import {
  assembleManifest,
  agreesWithCards,
  agreesWithProofs,
  composeManifest,
  proofsToJson,
  readManifest,
  readProofs,
} from '../../signer/ceremony/compose.ts';
import { readCard } from '../../signer/ceremony/cards.ts';
import { jsonText, readJson, readText, writeOnce } from '../../signer/ceremony/files.ts';
import { manifestHash, spoken } from '../../signer/ceremony/pinned.ts';
import { toHex } from '../../signer/protocol/canonical.ts';
import { manifestDocument, type Manifest } from '../../signer/protocol/manifest.ts';
import { UsageError } from '../connection.ts';
import { makeKeyAt, pinAt, pinnedAt, proveAll } from '../ceremony/signers.ts';
import { makeOperator } from '../ceremony/operator.ts';
import { signedManifest } from '../ceremony/sign.ts';
import { rehearseRestore } from '../ceremony/rehearsal.ts';
import type { OpenTerminal } from '../main.ts';
import { passkeyIn, readKit, writeKit } from '../operator-kit.ts';

const CARD_FILE = 'operator-card.json';

const HELP = `
The order of the day is in docs/ceremony.md: operator, kit, make-key, prove, compose, verify, sign, assemble, pin,
compare; then a backup on each signer's host, and rehearse-restore. Every step may be repeated after a kill.
`;

type Screen = (command: Command, value: object, lines: readonly string[]) => void;

/** The ceremony's steps that operators do: keys, manifest, and the rehearsal of a restore. */
export function ceremonyCommands(program: Command, open: OpenTerminal): void {
  const show: Screen = (command, value, lines) => open(command).output.show(value, () => lines.join('\n'));
  const ceremony = program
    .command('ceremony')
    .description('make the keys of an epoch, pin its manifest, and rehearse a restore')
    .addHelpText('after', HELP);
  operatorSteps(ceremony, show);
  keySteps(ceremony, show);
  manifestSteps(ceremony, show);
  pinningSteps(ceremony, show);
  rehearsalStep(ceremony, show);
}

function operatorSteps(ceremony: Command, show: Screen): void {
  ceremony
    .command('operator <id>')
    .description("make an operator's command key and backup identity, and the card to hand in")
    .requiredOption('--kit <folder>', "the operator's kit")
    .option('--passkey <hex>', 'its public key, compressed point of P-256 (else as operator passkey made it)')
    .requiredOption('--guardian <address>', 'guardian account on EVM, EIP-55')
    .requiredOption('--passphrase-file <file>', 'passphrase of both keys')
    .action(
      async (
        id: string,
        options: Record<'kit' | 'guardian' | 'passphraseFile', string> & { passkey?: string },
        command: Command,
      ) => {
        const passphrase = passphraseIn(options.passphraseFile);
        const cardFile = join(options.kit, CARD_FILE);
        const passkey = passkeyOf(id, options);
        if (passkey === undefined)
          throw new UsageError(
            `No passkey in ${options.kit}: portcullis operator passkey --id ${id} makes one.`,
          );
        const { card, isNew } = await makeOperator({ ...options, passkey, id, passphrase, cardFile });
        show(command, { id, card: resolve(cardFile), recipient: card.recipient, isNew }, [
          `✓ ${id}: command key, backup identity and card are ${isNew ? 'made' : 'there already, unchanged'}.`,
          `    card  ${resolve(cardFile)}`,
          '',
          'Next: hand the card in. Keep the folder and its passphrase; nobody else ever needs them.',
        ]);
      },
    );
  ceremony
    .command('kit <id>')
    .description("write where the signers are into an operator's kit")
    .requiredOption('--kit <folder>', "the operator's kit")
    .requiredOption('--certificate <file>', "the operator's certificate, which the gates list")
    .requiredOption('--key <file>', 'its key')
    .requiredOption('--manifest <file>', 'where the signed manifest is, or will be')
    .requiredOption('--signer <id,url,certificate...>', 'each signer: name, address, certificate of its gate')
    .action((id: string, options: KitOptions, command: Command) => {
      const signers = options.signer.map((text) => {
        const [name, url, certificate, ...more] = text.split(',');
        if (name === undefined || url === undefined || certificate === undefined || more.length > 0)
          throw new UsageError(`--signer ${text}: name,url,certificate expected`);
        return { id: name, url, certificate: resolve(certificate) };
      });
      const [certificate, key, manifest] = [options.certificate, options.key, options.manifest].map((file) =>
        resolve(file),
      );
      writeKit(options.kit, {
        id,
        certificate: certificate ?? '',
        key: key ?? '',
        manifest: manifest ?? '',
        signers,
      });
      show(command, { id, signers }, [
        `✓ The kit of ${id} knows ${signers.length} signers.`,
        '',
        'Next: make-key at each signer.',
      ]);
    });
}

interface KitOptions {
  readonly kit: string;
  readonly certificate: string;
  readonly key: string;
  readonly manifest: string;
  readonly signer: readonly string[];
}

function keySteps(ceremony: Command, show: Screen): void {
  ceremony
    .command('make-key <signer>')
    .description('have one signer make its key inside itself, from its generator and your dice')
    .requiredOption('--as <folder>', "the operator's kit")
    .requiredOption('--epoch <number>', 'the epoch of the key', wholeNumber)
    .requiredOption('--chain <main|test>', 'main chains, or test chains')
    .requiredOption('--dice-file <file>', 'at least 100 throws of a die, digits 1 to 6')
    .requiredOption('--passphrase-file <file>', "the passphrase that will open this signer's key")
    .option(
      '--pin-file <file>',
      "the PIN of the signer's token: its EVM key is made there (docs/decisions/0024)",
    )
    .action(async (signer: string, options: MakeKeyOptions, command: Command) => {
      const dice = readText(options.diceFile).replaceAll(/\s/g, '');
      if (!/^[1-6]{100,1000}$/.test(dice))
        throw new UsageError(
          `${options.diceFile}: 100 to 1,000 throws, digits 1 to 6; there are ${dice.length} characters`,
        );
      const passphrase = passphraseIn(options.passphraseFile);
      const made = await makeKeyAt(readKit(options.as), signer, {
        passphrase,
        epoch: options.epoch,
        chain: options.chain,
        dice,
        ...(options.pinFile === undefined ? {} : { pin: passphraseIn(options.pinFile) }),
      });
      show(command, made, [
        made.isNew
          ? `✓ ${signer} has made its key inside itself, and is unsealed.`
          : `✓ ${signer} had its key before; it is unsealed. Nothing new was made.`,
        `    xpub         ${made.xpub}`,
        `    EVM address  ${made.evmAddress}`,
        '',
        'Next: burn the paper with the throws. Then the next signer; after the last one, prove.',
      ]);
    });
  ceremony
    .command('prove')
    .description('challenge every signer and verify that it holds the keys it names')
    .requiredOption('--as <folder>', "the operator's kit")
    .requiredOption('--out <file>', 'where the proofs are kept')
    .action(async (options: { as: string; out: string }, command: Command) => {
      const proofs = await proveAll(readKit(options.as), () => randomBytes(32));
      writeOnce(options.out, jsonText(proofsToJson(proofs)));
      show(command, { proofs: proofsToJson(proofs) }, [
        `✓ ${proofs.length} signers proved both of their keys.`,
        ...proofs.map(({ proof }) => `    ${proof.possession.signer}  ${proof.possession.evmAddress}`),
        '',
        'Next: compose, once, at one machine.',
      ]);
    });
}

interface MakeKeyOptions {
  readonly as: string;
  readonly epoch: number;
  readonly chain: string;
  readonly diceFile: string;
  readonly passphraseFile: string;
  readonly pinFile?: string;
}

function manifestSteps(ceremony: Command, show: Screen): void {
  ceremony
    .command('compose <card...>')
    .description('compose the manifest from the plan, the proofs and the cards')
    .requiredOption('--plan <file>', 'the manifest without signers and operators')
    .requiredOption('--proofs <file>', 'what prove wrote')
    .requiredOption('--out <file>', 'where the manifest goes')
    .action((files: string[], options: Record<'plan' | 'proofs' | 'out', string>, command: Command) => {
      const manifest = composeManifest(readJson(options.plan), {
        proofs: readProofs(options.proofs),
        cards: files.map(readCard),
      });
      writeOnce(options.out, jsonText(manifestDocument.toJson(manifest)));
      show(command, summary(manifest), [
        `✓ The manifest of epoch ${manifest.epoch}: ${manifest.signers.length} signers, ${manifest.operators.length} operators.`,
        ...hashLines(manifest),
        'Next: every operator verifies it at a machine of their own, and signs it with their passkey.',
      ]);
    });
  ceremony
    .command('verify <manifest> <card...>')
    .description('check a manifest against the signers themselves and the cards, at your own machine')
    .requiredOption('--as <folder>', "the operator's kit")
    .action(async (file: string, cards: string[], options: { as: string }, command: Command) => {
      const { manifest } = readManifest(file);
      agreesWithCards(manifest, cards.map(readCard));
      agreesWithProofs(manifest, await proveAll(readKit(options.as), () => randomBytes(32)));
      show(command, summary(manifest), [
        '✓ Every signer proved to this machine the keys that the manifest names; every operator is the one of the card.',
        ...hashLines(manifest),
        'Next: read the groups aloud, each operator from their own screen. If all are alike, sign.',
      ]);
    });
  ceremony
    .command('sign <manifest>')
    .description('sign a manifest that you have verified with your passkey, on a page in your browser')
    .requiredOption('--as <folder>', "the operator's kit")
    .requiredOption('--out <file>', 'where the manifest with your signature goes')
    .action(async (file: string, options: { as: string; out: string }, command: Command) => {
      const { manifest } = readManifest(file);
      const { id } = readKit(options.as);
      writeOnce(options.out, jsonText(await signedManifest(manifest, id)));
      show(command, { ...summary(manifest), by: id, file: resolve(options.out) }, [
        `✓ ${id} has signed it.`,
        ...hashLines(manifest),
        'Next: hand the file in. With those of a quorum, assemble.',
      ]);
    });
  ceremony
    .command('assemble <manifest> <signed...>')
    .description("put the operators' signatures together, checked as every signer will")
    .requiredOption('--out <file>', 'where the signed manifest goes')
    .action((file: string, signed: string[], options: { out: string }, command: Command) => {
      const { manifest } = readManifest(file);
      writeOnce(options.out, jsonText(assembleManifest(manifest, signed)));
      show(command, summary(manifest), [
        `✓ A quorum of ${manifest.operatorQuorum} signed, and every signer would take it.`,
        ...hashLines(manifest),
        'Next: pin.',
      ]);
    });
}

function pinningSteps(ceremony: Command, show: Screen): void {
  ceremony
    .command('pin <signed>')
    .description('have every signer pin the signed manifest, then compare what each has')
    .requiredOption('--as <folder>', "the operator's kit")
    .action(async (file: string, options: { as: string }, command: Command) => {
      const { manifest } = readManifest(file);
      const kit = readKit(options.as);
      await pinAt(kit, readJson(file) as object);
      await compare(
        command,
        { kit, manifest },
        'Next: on each signer’s host, read its hash aloud and make its backup.',
      );
    });
  ceremony
    .command('compare <manifest>')
    .description('read from the journal of every signer what it has pinned, and name one that differs')
    .requiredOption('--as <folder>', "the operator's kit")
    .action(async (file: string, options: { as: string }, command: Command) => {
      const { manifest } = readManifest(file);
      await compare(command, { kit: readKit(options.as), manifest }, 'All parties have the same manifest.');
    });
  const compare = async (
    command: Command,
    { kit, manifest }: { kit: ReturnType<typeof readKit>; manifest: Manifest },
    next: string,
  ): Promise<void> => {
    const pinned = await pinnedAt(kit, manifest);
    show(command, { ...summary(manifest), pinned }, [
      ...pinned.map((id) => `✓ ${id} has pinned it.`),
      ...hashLines(manifest),
      next,
    ]);
  };
}

function rehearsalStep(ceremony: Command, show: Screen): void {
  ceremony
    .command('rehearse-restore <backup...>')
    .description('from the backups alone, derive every key and every issued address again; write nothing')
    .requiredOption('--manifest <file>', 'the signed manifest')
    .requiredOption('--addresses <file>', 'every issued Bitcoin address, one JSON document a line')
    .requiredOption('--identity <file...>', "operators' backup identities")
    .option('--identity-passphrase-file <file...>', 'their passphrases, in the same order')
    .action(async (backups: string[], options: RehearsalOptions, command: Command) => {
      const { manifest } = readManifest(options.manifest);
      const passphrases = (options.identityPassphraseFile ?? []).map(passphraseIn);
      const { signers, addresses } = await rehearseRestore({ ...options, manifest, backups, passphrases });
      const counts = Object.entries(addresses).map(
        ([network, count]) => `✓ ${count} addresses of ${network} follow from the backups.`,
      );
      show(command, { ...summary(manifest), signers, addresses }, [
        ...signers.map(
          ({ signer, evmAddress }) =>
            `✓ ${signer}: xpub and EVM address ${evmAddress} follow from its backup.`,
        ),
        ...counts,
        ...hashLines(manifest),
        'Nothing was written. Next: put the media back where they belong, each in its own place.',
      ]);
    });
}

interface RehearsalOptions {
  readonly manifest: string;
  readonly addresses: string;
  readonly identity: readonly string[];
  readonly identityPassphraseFile?: readonly string[];
}

const summary = (manifest: Manifest) => ({ epoch: manifest.epoch, hash: toHex(manifestHash(manifest)) });

const hashLines = (manifest: Manifest): string[] => [
  '',
  ...spoken(manifestHash(manifest))
    .split('\n')
    .map((line) => `    ${line}`),
  '',
];

/** As it was made in the kit, or as it was said; both have to be one. */
function passkeyOf(id: string, { kit, passkey }: { kit: string; passkey?: string }): string | undefined {
  const made = passkeyIn(kit, id);
  if (made !== undefined && passkey !== undefined && passkey.toLowerCase() !== made)
    throw new UsageError(`The passkey in ${kit} is another: ${made}`);
  return passkey ?? made;
}

function passphraseIn(file: string): string {
  const passphrase = readText(file).trim();
  if (passphrase.length < 12) throw new UsageError(`${file}: a passphrase has 12 characters at least`);
  return passphrase;
}

function wholeNumber(text: string): number {
  if (!/^(0|[1-9][0-9]{0,9})$/.test(text)) throw new UsageError(`${text} is no whole number`);
  return Number(text);
}
