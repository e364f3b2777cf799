import type { Command } from 'commander';
import { checkApprovals } from '../../signer/ceremony/approvals.ts';
import { CeremonyError, jsonText, writeOnce } from '../../signer/ceremony/files.ts';
import { spoken } from '../../signer/ceremony/pinned.ts';
import { changeLine, duration, policyChanges, policyLines } from '../../signer/ceremony/policy-diff.ts';
import type { PolicyChange, Units } from '../../signer/ceremony/policy-diff.ts';
import { isTightening, nextPolicy, policyHash, waitSeconds } from '../../signer/ceremony/policy-effect.ts';
import { toHex } from '../../signer/protocol/canonical.ts';
import { policyDocument, type Policy } from '../../signer/protocol/policy.ts';
import { signaturesToJson, type DocumentSignature } from '../../signer/protocol/signatures.ts';
import type { StandingPolicy } from '../../signer/protocol/standing-policy.ts';
import { SaidError } from '../connection.ts';
import type { OpenSession, OpenTerminal } from '../main.ts';
import { readKit, type OperatorKit } from '../operator-kit.ts';
import { table, type Output } from '../output.ts';
import { askPasskey } from '../passkey-page/passkey-page.ts';
import { checkFollows, editedPolicy, readPolicy } from '../policy/files.ts';
import { agreedPolicy, askPolicies, inForceFrom, sendPolicy } from '../policy/standing.ts';
import { unitsBy } from '../policy/units.ts';
import { readTravelling, replaceFile } from '../travelling-file.ts';
import { replayCommand } from './policy-replay.ts';
import { asOption, manifestOf, passphrase, type Answered } from './signers.ts';

const PAGE_OPEN_MS = 10 * 60_000;

const HELP = `
  portcullis --json policy show > rules.json     then edit "policy" in it (amounts are base units)
  portcullis policy diff rules.json              what would change: tighter or looser, and when
  portcullis policy replay rules.json --days 30  which past orders it would have refused
  portcullis policy tighten rules.json           only tighter: your command key, at once, with core down
  portcullis policy propose rules.json next.json looser: a file that goes from operator to operator
  portcullis policy approve next.json            each with a passkey; the last of the quorum sends it
  portcullis policy veto                         stop a looser one that waits: one command key
`;

interface As {
  readonly as: string;
}

interface KeyOptions extends As {
  readonly passphraseFile?: string;
  readonly out?: string;
}

/** What signers pay at most: shown, compared, tightened by one, loosened by a quorum. All of it works with core down. */
export function policyCommands(program: Command, open: OpenTerminal, openCore: OpenSession): void {
  const policy = program
    .command('policy')
    .description('what signers pay at most: show, compare, tighten, loosen')
    .addHelpText('after', HELP);
  const units = async (command: Command): Promise<Units> => unitsBy(openCore, command);
  showCommand(policy, open, units);
  diffCommand(policy, open, units);
  proposeCommand(policy, open, units);
  approveCommand(policy, open, units);
  tightenCommand(policy, open, units);
  vetoCommand(policy, open);
  replayCommand(policy, open, units);
}

type UnitsFor = (command: Command) => Promise<Units>;

function showCommand(policy: Command, open: OpenTerminal, units: UnitsFor): void {
  policy
    .command('show')
    .description('the policy in force at each signer, and a looser one that waits')
    .addOption(asOption())
    .action(async (options: As, command: Command) => {
      const { output } = open(command);
      const answers = await askPolicies(readKit(options.as));
      const known = answers.flatMap((one) => (one.ok ? [one.answer] : []));
      const [shown] = known;
      const said = await units(command);
      const now = shown?.now;
      const value = {
        policy: now === undefined ? null : policyDocument.toJson(now),
        waiting: shown?.waiting === undefined ? null : policyDocument.toJson(shown.waiting.policy),
        signers: answers.map(signerJson),
      };
      output.show(value, () =>
        [
          ...(now === undefined ? ['No signer that answered has a policy.'] : policyLines(now, said)),
          ...(now === undefined ? [] : ['', spoken(policyHash(now)), '']),
          signerTable(answers),
          ...(shown?.waiting === undefined ? [] : ['', ...waitingLines(shown, said)]),
        ].join('\n'),
      );
      endDiffering(answers);
      endSilent(answers);
    });
}

function diffCommand(policy: Command, open: OpenTerminal, units: UnitsFor): void {
  policy
    .command('diff <file>')
    .description('what an edited file or a proposal would change, and when it would come into force')
    .addOption(asOption())
    .action(async (file: string, options: As, command: Command) => {
      const { output } = open(command);
      const standing = agreedPolicy(await askPolicies(readKit(options.as)));
      showChanges(output, judged(standing, readPolicy(file).policy, await units(command)), []);
    });
}

function proposeCommand(policy: Command, open: OpenTerminal, units: UnitsFor): void {
  policy
    .command('propose <edited> <out>')
    .description('write the file that a quorum signs, with the next version')
    .addOption(asOption())
    .option('--replace', 'take the place of one that waits')
    .action(async (edited: string, out: string, options: As & { replace?: true }, command: Command) => {
      const { output } = open(command);
      const kit = readKit(options.as);
      const standing = agreedPolicy(await askPolicies(kit));
      const next = editedPolicy(edited, { standing, by: kit.id, replaces: options.replace === true });
      const change = judged(standing, next, await units(command));
      checkChanges(change);
      if (change.isTighter)
        throw new CeremonyError(
          'POLICY_TIGHTER',
          `nothing in it is looser: no quorum is needed; portcullis policy tighten ${edited}`,
        );
      writeOnce(out, jsonText({ document: policyDocument.toJson(next), signatures: [] }));
      showChanges(output, change, [spoken(policyHash(next)), `Next: portcullis policy approve ${out}`]);
    });
}

function approveCommand(policy: Command, open: OpenTerminal, units: UnitsFor): void {
  policy
    .command('approve <file>')
    .description('sign it with your passkey, on a page in your browser; the last of the quorum sends it')
    .addOption(asOption())
    .action(async (file: string, options: As, command: Command) => {
      const { output } = open(command);
      const kit = readKit(options.as);
      const manifest = manifestOf(kit);
      const { document, signatures } = readTravelling(file, policyDocument, 'policy');
      const isByKey = signatures.some(({ kind }) => kind === 'key');
      if (!isByKey) checkApprovals(signatures, { digest: policyHash(document), manifest });
      const mine = signatures.some(({ by }) => by === kit.id);
      const isWhole = isByKey || signatures.length >= manifest.operatorQuorum;
      const signed =
        mine || isWhole ? signatures : [...signatures, await signedByMe(kit, document, await units(command))];
      const body = { document: policyDocument.toJson(document), signatures: signaturesToJson(signed) };
      if (signed !== signatures) replaceFile(file, jsonText(body));
      const missing = isByKey ? 0 : manifest.operatorQuorum - signed.length;
      const by = signed.map((one) => one.by);
      if (missing > 0)
        output.show({ file, by, missing, signers: [] }, () => `Signed by ${by.join(', ')}; ${missing} more.`);
      else await send(output, kit, { file, policy: document, body, by });
    });
}

function tightenCommand(policy: Command, open: OpenTerminal, units: UnitsFor): void {
  policy
    .command('tighten <edited>')
    .description('put tighter rules in force now, by your command key alone')
    .addOption(asOption())
    .option('--passphrase-file <file>', 'instead of asking for the passphrase of the command key')
    .option('--out <file>', 'where the signed policy is kept (else policy-VERSION.json)')
    .option('--replace', 'take the place of one that waits')
    .action(async (edited: string, options: KeyOptions & { replace?: true }, command: Command) => {
      const { output } = open(command);
      const kit = readKit(options.as);
      const standing = agreedPolicy(await askPolicies(kit));
      const next = editedPolicy(edited, { standing, by: kit.id, replaces: options.replace === true });
      const change = judged(standing, next, await units(command));
      checkChanges(change);
      if (!change.isTighter)
        throw new CeremonyError(
          'POLICY_LOOSER',
          `a quorum has to propose this:\n${change.changes
            .filter((one) => !one.isTighter)
            .map(changeLine)
            .join('\n')}`,
        );
      for (const one of change.changes) output.line(changeLine(one));
      await signAndSend(output, { kit, next, options });
    });
}

function vetoCommand(policy: Command, open: OpenTerminal): void {
  policy
    .command('veto')
    .description('stop a looser policy that waits, by your command key alone')
    .addOption(asOption())
    .option('--passphrase-file <file>', 'instead of asking for the passphrase of the command key')
    .option('--out <file>', 'where the signed policy is kept (else policy-VERSION.json)')
    .action(async (options: KeyOptions, command: Command) => {
      const { output } = open(command);
      const kit = readKit(options.as);
      const standing = agreedPolicy(await askPolicies(kit));
      const { now, waiting } = standing;
      if (now === undefined || waiting === undefined)
        throw new CeremonyError('NOTHING_WAITS', 'no looser policy waits at the signers');
      output.line(`Version ${waiting.policy.version} is stopped; the rules of version ${now.version} stay.`);
      await signAndSend(output, { kit, next: nextPolicy(standing, now, kit.id), options });
    });
}

interface Judged {
  readonly standing: StandingPolicy;
  readonly next: Policy;
  readonly changes: readonly PolicyChange[];
  readonly isTighter: boolean;
  readonly waitSeconds: number;
}

function judged(standing: StandingPolicy, next: Policy, units: Units): Judged {
  const { now } = standing;
  return {
    standing,
    next,
    changes: now === undefined ? [] : policyChanges(now, next, units),
    isTighter: isTightening(standing, next),
    waitSeconds: waitSeconds(standing, next),
  };
}

function checkChanges({ standing, changes }: Judged): void {
  if (standing.now !== undefined && changes.length === 0 && standing.waiting === undefined)
    throw new CeremonyError('POLICY_UNCHANGED', `it says what version ${standing.now.version} says`);
}

function showChanges(output: Output, judgement: Judged, more: readonly string[]): void {
  const { next, changes, isTighter, waitSeconds: wait, standing } = judgement;
  const value = {
    version: next.version,
    digest: toHex(policyHash(next)),
    isTighter,
    waitSeconds: wait,
    changes,
    replaces: standing.waiting?.policy.version ?? null,
  };
  output.show(value, () => [...linesOf(judgement), ...more].join('\n'));
}

/** In plain words, for the terminal and the page. */
function linesOf({ standing, changes, isTighter, waitSeconds: wait }: Judged): string[] {
  const { now, waiting } = standing;
  if (now === undefined) return ['The first policy: a quorum signs it, and it holds at once.'];
  const when = wait === 0 ? 'at once' : `${duration(wait)} after each signer has taken it`;
  return [
    ...changes.map(changeLine),
    ...(changes.length === 0 ? [`Says what version ${now.version} in force says.`] : []),
    isTighter
      ? 'Tighter as a whole: one command key, in force at once.'
      : `Looser as a whole: a quorum’s passkeys, in force ${when}.`,
    ...(!isTighter && wait === 0 ? ['At once, because a quorum has approved these very rules before.'] : []),
    ...(waiting === undefined ? [] : [`Takes the place of version ${waiting.policy.version}, which waits.`]),
  ];
}

async function signedByMe(kit: OperatorKit, document: Policy, units: Units): Promise<DocumentSignature> {
  const manifest = manifestOf(kit);
  const digest = policyHash(document);
  const standing = agreedPolicy(await askPolicies(kit));
  checkFollows(document, standing);
  if (isTightening(standing, document))
    throw new CeremonyError(
      'POLICY_TIGHTER',
      'it is tighter than what is in force by now: tighten takes one command key',
    );
  const lines = [
    ...linesOf(judged(standing, document, units)),
    `Version ${document.version} of epoch ${document.epoch}, proposed by ${document.by}`,
  ];
  return askPasskey({
    origin: manifest.operatorOrigin,
    by: kit.id,
    title: 'Change the policy',
    lines,
    bytes: policyDocument.encode(document),
    check: (signature) => checkApprovals([signature], { digest, manifest }),
    // On stderr with --json too: nobody could sign without it.
    tell: (url) =>
      void process.stderr.write(
        `${lines.join('\n')}\n${spoken(digest)}\nOpen this page and compare the groups:\n${url}\n`,
      ),
    timeoutMs: PAGE_OPEN_MS,
  });
}

/** By one command key; the file stays, so that a signer that was away gets it later. */
async function signAndSend(
  output: Output,
  { kit, next, options }: { kit: OperatorKit; next: Policy; options: KeyOptions },
): Promise<void> {
  const key = kit.openKey(await passphrase(options));
  const signature = { kind: 'key', by: kit.id, signature: key.sign(policyHash(next)) } as const;
  const body = { document: policyDocument.toJson(next), signatures: signaturesToJson([signature]) };
  const file = options.out ?? `policy-${next.version}.json`;
  writeOnce(file, jsonText(body));
  await send(output, kit, { file, policy: next, body, by: [kit.id] });
}

async function send(
  output: Output,
  kit: OperatorKit,
  sent: { file: string; policy: Policy; body: object; by: readonly string[] },
): Promise<void> {
  const { file, policy, body, by } = sent;
  const answers = await sendPolicy(kit, body);
  const rows = answers.map((one) => {
    if (!one.ok) return { signer: one.signer, ok: false, from: null, error: one.error };
    const since = inForceFrom(one.answer, policy.version);
    const from = since === undefined ? null : new Date(since.ms).toISOString();
    const said = since === undefined ? 'overtaken' : since.isNow ? 'in force' : `in force from ${from}`;
    return { signer: one.signer, ok: true, from, said };
  });
  output.show({ file, version: policy.version, by, missing: 0, signers: rows }, () =>
    table(
      ['signer', '', `version ${policy.version}`],
      rows.map((row) => [row.signer, row.ok ? '✓' : '✗', row.said ?? row.error]),
      '',
    ),
  );
  const refused = rows.filter(({ ok }) => !ok).map(({ signer }) => signer);
  if (refused.length > 0)
    throw new SaidError(`Not taken by ${refused.join(', ')}: portcullis policy approve ${file}, again.`);
}

const signerJson = (one: Answered<StandingPolicy>): object => {
  if (!one.ok) return { signer: one.signer, ok: false, error: one.error };
  const { now, waiting } = one.answer;
  return {
    signer: one.signer,
    ok: true,
    version: now?.version ?? null,
    digest: now === undefined ? null : toHex(policyHash(now)),
    waiting:
      waiting === undefined
        ? null
        : { version: waiting.policy.version, from: new Date(waiting.fromMs).toISOString() },
  };
};

const signerTable = (answers: readonly Answered<StandingPolicy>[]): string =>
  table(
    ['signer', 'in force', 'waits'],
    answers.map((one) => {
      if (!one.ok) return [one.signer, one.error, null];
      const { now, waiting } = one.answer;
      const digest = now === undefined ? '' : toHex(policyHash(now)).slice(0, 12);
      return [
        one.signer,
        now === undefined ? 'none' : `version ${now.version} ${digest}`,
        waiting === undefined
          ? 'none'
          : `version ${waiting.policy.version} until ${new Date(waiting.fromMs).toISOString()}`,
      ];
    }),
    '',
  );

const waitingLines = ({ now, waiting }: StandingPolicy, units: Units): string[] =>
  now === undefined || waiting === undefined
    ? []
    : [
        `Version ${waiting.policy.version} waits; what it will change:`,
        ...policyChanges(now, waiting.policy, units).map(changeLine),
        'Stop it with portcullis policy veto.',
      ];

/** Both were printed: a second document would be no answer to --json. */
function endDiffering(answers: readonly Answered<StandingPolicy>[]): void {
  try {
    agreedPolicy(answers);
  } catch (error) {
    throw error instanceof CeremonyError ? new SaidError(error.message) : error;
  }
}

function endSilent(answers: readonly Answered<StandingPolicy>[]): void {
  const silent = answers.flatMap((one) => (one.ok ? [] : [`${one.signer} (${one.error})`]));
  if (silent.length > 0) throw new SaidError(`No answer of ${silent.join(', ')}.`);
}
