import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { UsageError } from './connection.ts';

/** Asks at the terminal without showing what is typed. Throws UsageError when there is nobody to ask. */
export async function askPassphrase(question: string): Promise<string> {
  if (!process.stdin.isTTY) throw new UsageError('No terminal to ask at: use --passphrase-file.');
  process.stderr.write(question);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true });
  return new Promise((resolve, reject) => {
    lines.once('line', (line) => {
      resolve(line);
      lines.close();
    });
    lines.once('close', () => {
      process.stderr.write('\n');
      reject(new UsageError('No passphrase was given.'));
    });
  });
}
