/** Three real signers, operators whose passkeys a test holds, a browser to use them in, and the command line. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, createPrivateKey, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openSigner, type AskSigner } from '../../client/signer.ts';
import { manifestDocument, type Manifest } from '../../signer/protocol/manifest.ts';
import { identityIn } from '../../world/certificates.ts';
import { walletManifest } from '../../world/configuration.ts';
import { takeFolder, type WorldFolder } from '../../world/folder.ts';
import {
  installManifest,
  makeOperators,
  publicOperators,
  type LocalOperator,
} from '../../world/operators.ts';
import { startChromium, type Chromium, type Tab } from '../../world/parts/chromium.ts';
import { openAuthenticator } from '../../world/people/authenticator.ts';
import { OPERATORS, startPeople, type People } from '../../world/people/people.ts';
import { startSigners, type LocalSigners } from '../../world/signers.ts';

const REGTEST = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
const COLD = 'bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9pz3cppk';

export interface Running {
  /** The page's address, once it is served. */
  readonly url: Promise<string>;
  readonly ended: Promise<{ code: number | null; out: string; err: string }>;
}

export interface TestOperators {
  readonly path: string;
  readonly manifest: Manifest;
  readonly manifestFile: string;
  readonly operators: readonly LocalOperator[];
  readonly signers: LocalSigners;
  readonly chromium: Chromium;
  readonly run: (...args: string[]) => Running;
  /** What it prints for people; it has to end well. */
  readonly runPlain: (...args: string[]) => Promise<string>;
  /** Core's end of the connection to a signer. */
  readonly asCore: (i: number) => AskSigner;
  /** Its JSON; the command has to end well. */
  readonly done: (...args: string[]) => Promise<Record<string, unknown>>;
  /** Code and JSON of one that must not. */
  readonly fails: (...args: string[]) => Promise<{ code: unknown; detail: unknown }>;
  /** A tab whose authenticator holds this operator's passkey, or another one in this operator's name. */
  readonly tabOf: (id: string, secret?: Buffer) => Promise<Tab>;
  /** Signs the page that the command serves as this operator. */
  readonly signAs: (id: string, ...args: string[]) => Promise<Record<string, unknown>>;
  /** Passkeys of a quorum under a manifest, as JSON. */
  readonly sign: (document: object) => Promise<readonly object[]>;
  readonly stop: () => Promise<void>;
}

export type Bare = Pick<
  TestOperators,
  'runPlain' | 'asCore' | 'path' | 'operators' | 'signers' | 'chromium' | 'run' | 'done' | 'fails' | 'stop'
> & {
  readonly folder: WorldFolder;
  readonly system: Parameters<typeof walletManifest>[2];
};

/** Signers with keys and nothing pinned, a browser, and operators' certificates. */
export async function startBare(): Promise<Bare> {
  const path = mkdtempSync(join(tmpdir(), 'portcullis-operators-'));
  const folder = takeFolder(path, true);
  const chromium = await startChromium();
  const operators = await makeOperators(folder);
  const core = await identityIn(folder.at('secrets'), 'core');
  const signers = await startSigners({
    folder,
    client: core,
    operators: operators.map(({ client }) => client),
  });
  const children = new Set<ChildProcess>();
  const run = (...args: string[]): Running => portcullis(path, ['--json', ...args], children);
  return {
    runPlain: async (...args) => {
      const { code, out, err } = await portcullis(path, args, children).ended;
      assert.equal(code, 0, out + err);
      return out;
    },
    asCore: (i) => {
      const signer = signers.all[i] ?? assert.fail(`no signer ${i}`);
      const read = (file: string): string => readFileSync(file, 'utf8');
      return openSigner({
        url: signer.url,
        certificate: read(signer.certificateFile),
        client: { certificate: read(core.certificateFile), key: read(core.keyFile) },
      });
    },
    path,
    folder,
    system: { bitcoinCaip2: REGTEST, coldBitcoin: COLD, evm: [] },
    operators,
    signers,
    chromium,
    run,
    done: async (...args) => {
      const { code, out, err } = await run(...args).ended;
      assert.equal(code, 0, out + err);
      return JSON.parse(out) as Record<string, unknown>;
    },
    fails: async (...args) => {
      const { code, out, err } = await run(...args).ended;
      assert.notEqual(code, 0, out + err);
      return JSON.parse(out) as { code: unknown; detail: unknown };
    },
    stop: async () => {
      // One that waits for a passkey would wait on after a test that failed.
      for (const child of children) child.kill();
      await Promise.all([signers.stop(), chromium.stop()]);
      rmSync(path, { recursive: true });
    },
  };
}

/** `port`: of the operators' origin, another for each test file, because they run at the same time. */
export async function startOperators(port: number): Promise<TestOperators> {
  const origin = `http://localhost:${port}`;
  const bare = await startBare();
  const { folder, operators, signers, chromium, run } = bare;
  const software = await startPeople(folder.at('people.json'));
  const secrets = new Map<string, Buffer>(OPERATORS.map((id) => [id, randomBytes(32).fill(1, 0, 1)]));
  const secretOf = (id: string): Buffer => secrets.get(id) ?? assert.fail(id);
  const people = peopleWith(software, secretOf, origin);
  const listed = publicOperators(operators, await people.introduce());
  const manifest = { ...walletManifest(signers.all, listed, bare.system), operatorOrigin: origin };
  const manifestFile = folder.at('manifest.json');
  await installManifest({ manifest, manifestFile, people, operators, signers });
  const tabOf = (id: string, secret = secretOf(id)): Promise<Tab> => tabWith(chromium, id, secret);
  return {
    ...bare,
    manifest,
    manifestFile,
    tabOf,
    signAs: async (id, ...args) => {
      const running = run(...args);
      const tab = await tabOf(id);
      await tab.open(await running.url);
      await tab.evaluate("document.getElementById('sign').click()");
      await tab.until("document.getElementById('said').textContent.includes('Signed.')");
      const { code, out, err } = await running.ended;
      assert.equal(code, 0, out + err);
      return JSON.parse(out) as Record<string, unknown>;
    },
    sign: async (document) => {
      const value = manifestDocument.fromJson(document, 'manifest');
      return people.approve(
        manifestDocument.digest(value, (bytes) => createHash('sha256').update(bytes).digest()),
      );
    },
    stop: async () => {
      await software.stop();
      await bare.stop();
    },
  };
}

/** The same people, with passkeys that this process holds. */
const peopleWith = (software: People, secretOf: (id: string) => Buffer, origin: string): People => ({
  ...software,
  introduce: async () => {
    const introduced = await software.introduce();
    const operators = introduced.operators.map((one) => ({
      ...one,
      passkey: openAuthenticator(secretOf(one.id)).publicKey.toString('hex'),
    }));
    return { ...introduced, operators };
  },
  approve: async (digest) =>
    OPERATORS.slice(0, 2).map((by) => {
      const made = openAuthenticator(secretOf(by)).assert(digest, origin);
      const { authenticatorData, clientData, signature } = made;
      return {
        kind: 'passkey',
        by,
        authenticatorData: authenticatorData.toString('hex'),
        clientData: clientData.toString('hex'),
        signature: signature.toString('hex'),
      };
    }),
});

async function tabWith(chromium: Chromium, user: string, secret: Buffer): Promise<Tab> {
  const der = Buffer.concat([
    Buffer.from('30310201010420', 'hex'),
    secret,
    Buffer.from('a00a06082a8648ce3d030107', 'hex'),
  ]);
  const pkcs8 = createPrivateKey({ key: der, format: 'der', type: 'sec1' }).export({
    format: 'der',
    type: 'pkcs8',
  });
  const tab = await chromium.newTab();
  await tab.addPasskey({ rpId: 'localhost', user, pkcs8 });
  return tab;
}

function portcullis(cwd: string, args: readonly string[], children: Set<ChildProcess>): Running {
  const program = fileURLToPath(new URL('../portcullis.js', import.meta.url));
  const child = spawn(process.execPath, [program, ...args], {
    cwd,
    env: { PATH: process.env['PATH'] },
  });
  children.add(child);
  const [url, ended] = [Promise.withResolvers<string>(), Promise.withResolvers<Awaited<Running['ended']>>()];
  url.promise.catch(() => {});
  let [out, err] = ['', ''];
  child.stdout.on('data', (part: Buffer) => (out += part.toString()));
  child.stderr.on('data', (part: Buffer) => {
    err += part.toString();
    const found = /(http:\/\/localhost:[0-9]+\/\S+)\n/.exec(err)?.[1];
    if (found !== undefined) url.resolve(found);
  });
  child.once('close', (code) => {
    children.delete(child);
    url.reject(new Error(`it ended with ${code}: ${out}${err}`));
    ended.resolve({ code, out, err });
  });
  return { url: url.promise, ended: ended.promise };
}
