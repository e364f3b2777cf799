/** The program that speaks to the token, as a child of the gate: the maker's module is native code, so it stands apart. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { GateToken } from './config.ts';

/** Its pipes are for the vault. It ends when nobody holds their other ends any more. */
export function spawnToken({ module, env }: GateToken): ChildProcessByStdio<Writable, Readable, null> {
  const signerFile = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
  const code = ['hsm', 'protocol', 'package.json'].map(signerFile);
  const flags = [
    '--permission',
    '--allow-ffi',
    ...code.map((path) => `--allow-fs-read=${path}`),
    '--disable-proto=throw',
    '--no-addons',
    // Of the interface to native code, which is known.
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=SecurityWarning',
  ];
  const child = spawn(process.execPath, [...flags, signerFile('hsm/main.ts'), module], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  // The vault notices, and says so to whoever asks: the signer goes on without its token.
  child.on('error', () => undefined);
  child.unref();
  return child;
}
