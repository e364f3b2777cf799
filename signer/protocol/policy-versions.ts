/** What a status says of the policy: no more than versions. */
import { readNumber, readObject } from './json.ts';

export interface PolicyVersions {
  readonly version: number;
  /** When it comes into force: Unix milliseconds by the signer's clock. */
  readonly waiting: { readonly version: number; readonly fromMs: number } | null;
}

export function readVersions(value: unknown): PolicyVersions | null {
  if (value === null) return null;
  const { version, waiting } = readObject(value, 'answer.policy', ['version', 'waiting']);
  const whole = (number: unknown, path: string): number =>
    readNumber(number, `answer.policy.${path}`, Number.MAX_SAFE_INTEGER);
  if (waiting === null) return { version: whole(version, 'version'), waiting };
  const { fromMs, ...next } = readObject(waiting, 'answer.policy.waiting', ['version', 'fromMs']);
  return {
    version: whole(version, 'version'),
    waiting: { version: whole(next['version'], 'waiting.version'), fromMs: whole(fromMs, 'waiting.fromMs') },
  };
}
