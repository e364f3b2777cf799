/** The vault as a child of the gate: empty environment, no network, only its own files, one request at a time. */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { FRAME_BYTES_MAX, type Call } from '../protocol/messages.ts';
import type { GateToken } from './config.ts';
import { GateError } from './gate-error.ts';
import { spawnToken } from './token-process.ts';
import { openTurns } from './turns.ts';

export interface VaultProcess {
  readonly pid: number;
  /** Asks the vault in the turn of this line, the gate's own without one. Rejects with GateError. */
  ask(call: Call, body: unknown, line?: string): Promise<unknown>;
  /** Lets the vault answer what it was asked, and end. */
  stop(): Promise<void>;
}

export interface VaultProcessOptions {
  readonly signer: string;
  readonly data: string;
  readonly timeoutMs: number;
  readonly token?: GateToken;
  /** The vault is gone though nobody stopped it; it is never started again by the gate. */
  readonly onDeath: (why: string) => void;
}

/** Requests of one line that wait for their turn: a second or two of work. */
const WAITING_MAX = 64;
const STDERR_BYTES_MAX = 4096;

/** Starts the vault and waits until its journal is verified. Rejects with GateError when it does not come up. */
export async function startVaultProcess(options: VaultProcessOptions): Promise<VaultProcess> {
  const child = spawnVault(options);
  let stopping = false;
  let words = '';
  child.stderr?.on('data', (chunk: Buffer) => (words = (words + chunk.toString()).slice(-STDERR_BYTES_MAX)));
  // The pipe breaks when the vault dies; its end is reported once, below.
  child.stdin?.on('error', () => undefined);
  const lines = lineReader(child);
  const turns = openTurns(WAITING_MAX);
  let lastId = 0;

  const exited = new Promise<void>((resolve) => {
    const end = (why: string): void => {
      lines.end(why);
      if (!stopping) options.onDeath(why);
      resolve();
    };
    child.once('close', (code, signal) =>
      end(`the vault ended (${signal ?? `exit ${code}`}): ${words.trim()}`),
    );
    child.once('error', (error) => end(`the vault did not start: ${error.message}`));
  });
  const nextLine = async (): Promise<string> => {
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs);
    return lines.next().finally(() => clearTimeout(timer));
  };
  const exchange = async (call: Call, body: unknown): Promise<unknown> => {
    lastId += 1;
    child.stdin?.write(`${JSON.stringify({ id: lastId, call, body })}\n`);
    const { id, answer } = JSON.parse(await nextLine()) as { id: unknown; answer: unknown };
    // 0: of a frame whose id the vault did not read, as of one that is too large. It is asked one at a time.
    if (id === lastId || id === 0) return answer;
    child.kill('SIGKILL');
    throw new GateError('VAULT_GONE', 'the vault answered another request');
  };
  await nextLine();
  return {
    pid: child.pid ?? 0,
    ask: async (call, body, line = '') => {
      if (stopping) throw new GateError('BUSY', 'it is being stopped');
      return turns.take(line, async () => exchange(call, body));
    },
    stop: async () => {
      stopping = true;
      await turns.idle();
      child.stdin?.end();
      await exited;
    },
  };
}

function spawnVault({ signer, data, token }: VaultProcessOptions): ChildProcess {
  const signerFile = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
  // Of the packages only those that the vault loads: what the ceremony's programs need, it cannot even read.
  const packages = ['@noble', '@scure', 'micro-packed'].map((name) => `node_modules/${name}`);
  const code = ['vault', 'protocol', 'package.json', ...packages].map(signerFile);
  const flags = [
    '--permission',
    ...[...code, data].map((path) => `--allow-fs-read=${path}`),
    `--allow-fs-write=${data}`,
    '--disable-proto=throw',
    '--no-addons',
  ];
  const beside = token === undefined ? undefined : spawnToken(token);
  const named = token === undefined ? [] : [token.label];
  const child = spawn(process.execPath, [...flags, signerFile('vault/main.ts'), data, signer, ...named], {
    env: {},
    cwd: data,
    stdio: ['pipe', 'pipe', 'pipe', ...(beside === undefined ? [] : [beside.stdin, beside.stdout])],
  });
  // From here on the vault alone holds the other ends: it asks, and with it the token's program ends.
  beside?.stdin.destroy();
  beside?.stdout.destroy();
  return child;
}

/** Hands out whole lines of stdout to whoever waits; the vault speaks only when it was asked. */
function lineReader(child: ChildProcess): { next(): Promise<string>; end(why: string): void } {
  let parts: Buffer[] = [];
  let length = 0;
  let gone: string | undefined;
  const ready: string[] = [];
  let waiter: { resolve: (line: string) => void; reject: (error: Error) => void } | undefined;
  const emit = (line: string): void => {
    if (waiter === undefined) ready.push(line);
    else waiter.resolve(line);
    waiter = undefined;
  };
  child.stdout?.on('data', (chunk: Buffer) => {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      emit(Buffer.concat([...parts, chunk.subarray(start, end)]).toString('utf8'));
      parts = [];
      length = 0;
      start = end + 1;
    }
    parts.push(chunk.subarray(start));
    length += chunk.length - start;
    // An answer repeats the PSBT with signatures; twice a frame is more than any.
    if (length > 2 * FRAME_BYTES_MAX) child.kill('SIGKILL');
  });
  return {
    next: async () =>
      new Promise((resolve, reject) => {
        const line = ready.shift();
        if (line !== undefined) resolve(line);
        else if (gone === undefined) waiter = { resolve, reject };
        else reject(new GateError('VAULT_GONE', gone));
      }),
    end: (why) => {
      gone = why;
      waiter?.reject(new GateError('VAULT_GONE', why));
      waiter = undefined;
    },
  };
}
