import type { Command } from 'commander';
import type { StandingFreeze, Status } from '../../signer/protocol/messages.ts';
import { SaidError } from '../connection.ts';
import type { OpenTerminal } from '../main.ts';
import { readKit, type OperatorKit } from '../operator-kit.ts';
import { table } from '../output.ts';
import { asOption, atAll, statusOf, type Answered } from './signers.ts';

/** A freeze, and where it stands. */
export interface FreezeAtSigners extends StandingFreeze {
  readonly at: readonly string[];
  /** Signers that answered and do not have it: it never reached them, or was lifted there. */
  readonly missing: readonly string[];
}

/** What is frozen, by the word of the signers themselves: it works with core down. */
export function freezeListCommands(program: Command, open: OpenTerminal): void {
  program
    .command('freezes')
    .description('what stops payments now')
    .command('list')
    .description('every freeze that stands, its id, and which signers have it')
    .addOption(asOption())
    .action(async (options: { as: string }, command: Command) => {
      const { output } = open(command);
      const { freezes, silent, answered } = await askFreezes(readKit(options.as));
      output.show({ freezes, silent }, () =>
        table(
          ['scope', 'by', 'reason', 'at', 'not at', 'id'],
          freezes.map(({ scope, by, reason, at, missing, id }) => [
            scope,
            by,
            reason,
            at.join(', '),
            missing.join(', '),
            id,
          ]),
          answered > 0 ? 'Nothing is frozen at the signers that answered.' : 'Nobody answered.',
        ),
      );
      if (silent.length > 0)
        throw new SaidError(
          `No answer of ${silent.map(({ signer, error }) => `${signer} (${error})`).join(', ')}.`,
        );
      const partly = freezes.filter(({ missing }) => missing.length > 0);
      if (partly.length > 0)
        throw new SaidError(
          'A freeze does not stand at every signer: freeze its scope again, or have the quorum lift it at all of them.',
        );
    });
}

/** Asks every signer what stands there, and says who gave no answer. */
export async function askFreezes(kit: OperatorKit): Promise<{
  readonly freezes: readonly FreezeAtSigners[];
  readonly silent: readonly { readonly signer: string; readonly error: string }[];
  readonly answered: number;
}> {
  const answers = await atAll(
    kit,
    async (ask) => statusOf(await ask('GET', '/v1/status')),
    performance.now(),
  );
  const silent = answers.flatMap((one) => (one.ok ? [] : [{ signer: one.signer, error: one.error }]));
  return { freezes: freezesOf(answers), silent, answered: answers.length - silent.length };
}

/**
 * Each freeze once, in the order in which signers tell of them. One whose content differs between signers is shown
 * once for each content: an id alone does not make two of them the same.
 */
function freezesOf(answers: readonly Answered<Status>[]): FreezeAtSigners[] {
  const found = new Map<string, { freeze: StandingFreeze; at: string[] }>();
  const answered: string[] = [];
  for (const one of answers) {
    if (!one.ok) continue;
    answered.push(one.signer);
    for (const freeze of one.answer.freezes) {
      const key = JSON.stringify([freeze.id, freeze.scope, freeze.by, freeze.reason]);
      const same = found.get(key) ?? { freeze, at: [] };
      same.at.push(one.signer);
      found.set(key, same);
    }
  }
  return [...found.values()].map(({ freeze, at }) => ({
    ...freeze,
    at,
    missing: answered.filter((signer) => !at.includes(signer)),
  }));
}
