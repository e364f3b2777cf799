import assert from 'node:assert';
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Address, Hex } from 'viem';

/** Each is operator and guardian; any two of them loosen. */
export const OPERATORS = ['alice', 'bob', 'carol'] as const;
export const OPERATOR_QUORUM = 2;
/** Where customers of the local system use their passkeys. */
export const CUSTOMER_ORIGIN = 'http://localhost:7392';
/** Where operators use their passkeys: what the command line serves. */
export const OPERATOR_ORIGIN = 'http://localhost:7391';

/** The three groups whose quorum a Safe stands for. */
export type Office = 'cold' | 'operators' | 'owner';

/** What everybody may know about the people. */
export interface PublicPeople {
  readonly safes: Readonly<
    Record<Office, { readonly owners: readonly Address[]; readonly threshold: number }>
  >;
  readonly guardians: readonly Address[];
  readonly operators: readonly {
    readonly id: string;
    /** Compressed P-256 point, hex. */
    readonly passkey: string;
    readonly guardian: Address;
  }[];
  /** Cold Bitcoin wallet: sortedmulti over three devices, receive and change branch. */
  readonly coldDescriptor: string;
  /** Its first address on a regtest chain. */
  readonly coldBitcoin: string;
}

export type PeopleRequest =
  | { readonly do: 'introduce' }
  /** A quorum of the office signs one call of its Safe, and one of them sends it. */
  | {
      readonly do: 'execute';
      readonly office: Office;
      readonly rpcUrl: string;
      readonly chainId: number;
      readonly safe: Address;
      readonly to: Address;
      readonly data: Hex;
    }
  /** A quorum of operators approves a document by its digest, hex. */
  | { readonly do: 'approve'; readonly digest: string }
  /** A guardian acts alone from his own funded account. */
  | {
      readonly do: 'guard';
      readonly rpcUrl: string;
      readonly chainId: number;
      readonly to: Address;
      readonly data: Hex;
    };

/** A passkey's assertion as it stands under a document. */
export interface SignatureJson {
  readonly kind: 'passkey';
  readonly by: string;
  readonly authenticatorData: string;
  readonly clientData: string;
  readonly signature: string;
}

export type PeopleAnswer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly message: string };

export interface People {
  readonly pid: number;
  readonly introduce: () => Promise<PublicPeople>;
  readonly approve: (digest: Uint8Array) => Promise<readonly SignatureJson[]>;
  readonly execute: (request: Omit<Extract<PeopleRequest, { do: 'execute' }>, 'do'>) => Promise<Hex>;
  readonly guard: (request: Omit<Extract<PeopleRequest, { do: 'guard' }>, 'do'>) => Promise<Hex>;
  readonly stop: () => Promise<void>;
}

/**
 * Starts the one process that stands for people: it makes and keeps the keys of COLD, OPERATORS, OWNER and the
 * guardians, the operators' passkeys, and the cold Bitcoin devices. It listens nowhere; only whoever started it can speak to it, over the
 * pipe between them.
 */
export async function startPeople(keyFile: string): Promise<People> {
  const child = fork(fileURLToPath(new URL('main.ts', import.meta.url)), [keyFile], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    detached: true,
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
  });
  const { pid } = child;
  assert(pid !== undefined, 'the process that stands for people did not start');
  const ask = asker(child);
  return {
    pid,
    introduce: async () => (await ask({ do: 'introduce' })) as PublicPeople,
    approve: async (digest) =>
      (await ask({ do: 'approve', digest: Buffer.from(digest).toString('hex') })) as SignatureJson[],
    execute: async (request) => (await ask({ do: 'execute', ...request })) as Hex,
    guard: async (request) => (await ask({ do: 'guard', ...request })) as Hex,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.disconnect();
      await gone;
    },
  };
}

/** One question at a time, so that the nth answer is the nth question's. */
function asker(child: ChildProcess): (request: PeopleRequest) => Promise<unknown> {
  let last: Promise<unknown> = Promise.resolve();
  const askNow = (request: PeopleRequest): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const onExit = (): void => reject(new Error('The process that stands for people is gone'));
      child.once('exit', onExit);
      child.once('message', (message) => {
        child.removeListener('exit', onExit);
        const answer = message as PeopleAnswer;
        if (answer.ok) resolve(answer.value);
        else reject(new Error(answer.message));
      });
      child.send(request);
    });
  return (request) => {
    const answer = last.then(() => askNow(request));
    last = answer.catch(() => {});
    return answer;
  };
}
