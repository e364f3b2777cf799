import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PartError } from './process.ts';
import { provisionChromium } from './provision-chromium.ts';

/** A tab, spoken to in the browser's own protocol (CDP). */
export interface Tab {
  readonly call: (method: string, params?: object) => Promise<Record<string, unknown>>;
  /** Loads the page and waits until it is there. */
  readonly open: (url: string) => Promise<void>;
  /** The value of an expression, awaited. */
  readonly evaluate: (expression: string) => Promise<unknown>;
  /** Waits until the expression is true; what the page says is told when it never is. */
  readonly until: (expression: string) => Promise<void>;
  /** An authenticator without a passkey; pages of this tab make theirs in it. */
  readonly addAuthenticator: () => Promise<string>;
  /** An authenticator of its own holding this passkey: PKCS#8 of a P-256 key. */
  readonly addPasskey: (passkey: { rpId: string; user: string; pkcs8: Uint8Array }) => Promise<void>;
}

export interface Chromium {
  readonly newTab: () => Promise<Tab>;
  readonly stop: () => Promise<void>;
}

const READY_WITHIN_MS = 120_000;

/** Starts a browser without windows, with a profile of its own that is removed by stop(). */
export async function startChromium(log?: (line: string) => void): Promise<Chromium> {
  const program = await provisionChromium(log ? { log } : {});
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-chromium-'));
  // Its sandbox needs what a container seldom gives; it opens no page but ours.
  const args = [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--no-first-run',
  ];
  const child = spawn(
    program.command,
    [...args, '--remote-debugging-port=0', `--user-data-dir=${folder}`, 'about:blank'],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...program.env } },
  );
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await gone;
    await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  };
  let said = '';
  child.stderr.on('data', (part: Buffer) => (said = (said + part.toString()).slice(-4000)));
  const url = await waited(() => /listening on (ws:\S+)/.exec(said)?.[1]);
  if (url === undefined) {
    await stop();
    throw new PartError('PART_FAILED', `chromium did not start: ${said}`);
  }
  const call = await connected(url);
  return { newTab: () => newTab(call), stop };
}

type Call = (method: string, params?: object, sessionId?: string) => Promise<Record<string, unknown>>;

async function newTab(browser: Call): Promise<Tab> {
  const { targetId } = await browser('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await browser('Target.attachToTarget', { targetId, flatten: true });
  const call: Tab['call'] = (method, params) => browser(method, params, String(sessionId));
  const evaluate: Tab['evaluate'] = async (expression) => {
    const answer = await call('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    if (answer['exceptionDetails'] !== undefined) throw new Error(JSON.stringify(answer['exceptionDetails']));
    return (answer['result'] as { value?: unknown }).value;
  };
  const until: Tab['until'] = async (expression) => {
    const met = await waited(async () => ((await evaluate(expression)) === true ? true : undefined));
    if (met === undefined)
      throw new Error(`never ${expression}: ${String(await evaluate('document.body.innerText'))}`);
  };
  const addAuthenticator: Tab['addAuthenticator'] = async () => {
    await call('WebAuthn.enable');
    const options = {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    };
    return String((await call('WebAuthn.addVirtualAuthenticator', { options }))['authenticatorId']);
  };
  return {
    call,
    evaluate,
    until,
    open: async (url) => {
      await call('Page.navigate', { url });
      await until(`location.href === ${JSON.stringify(url)} && document.readyState === 'complete'`);
    },
    addAuthenticator,
    addPasskey: async ({ rpId, user, pkcs8 }) => {
      const authenticatorId = await addAuthenticator();
      const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('base64');
      const credential = {
        credentialId: base64(`passkey of ${user}`),
        isResidentCredential: true,
        rpId,
        userHandle: base64(user),
        signCount: 1,
        privateKey: base64(pkcs8),
      };
      await call('WebAuthn.addCredential', { authenticatorId, credential });
    },
  };
}

async function connected(url: string): Promise<Call> {
  const socket = new WebSocket(url);
  const waiting = new Map<number, PromiseWithResolvers<Record<string, unknown>>>();
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve());
    socket.addEventListener('error', () => reject(new PartError('PART_FAILED', 'chromium does not answer')));
  });
  socket.addEventListener('message', ({ data }) => {
    const { id, result, error } = JSON.parse(String(data)) as {
      id?: number;
      result?: Record<string, unknown>;
      error?: { message: string };
    };
    const one = waiting.get(id ?? 0);
    waiting.delete(id ?? 0);
    if (error === undefined) one?.resolve(result ?? {});
    else one?.reject(new PartError('PART_REFUSED', error.message));
  });
  socket.addEventListener('close', () => {
    for (const one of waiting.values()) one.reject(new PartError('PART_FAILED', 'chromium is gone'));
  });
  let last = 0;
  return (method, params = {}, sessionId) => {
    const id = (last += 1);
    const one = Promise.withResolvers<Record<string, unknown>>();
    waiting.set(id, one);
    socket.send(JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) }));
    return one.promise;
  };
}

async function waited<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T | undefined> {
  const deadline = performance.now() + READY_WITHIN_MS;
  while (performance.now() < deadline) {
    const found = await look();
    if (found !== undefined) return found;
    await sleep(50);
  }
  return undefined;
}
