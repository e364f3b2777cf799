// Finds and runs forge: the one that npm installed, or the one on PATH where npm has none for the platform.

import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export interface ForgeResult {
  readonly exitCode: number;
  readonly output: string;
}

export class ForgeMissingError extends Error {
  readonly code = 'FORGE_MISSING';
  readonly retryable = false;
}

/**
 * Runs forge in this folder and gives its exit code with everything it printed.
 * Throws ForgeMissingError, with the line to run, when there is none.
 */
export function runForge(
  args: readonly string[],
  options: { readonly env: Readonly<Record<string, string | undefined>> },
): Promise<ForgeResult> {
  const binary = forgePath(options.env['PATH'] ?? '');
  return new Promise((resolve, reject) => {
    const child = spawn(binary, [...args], { cwd: import.meta.dirname, env: { ...options.env } });
    let output = '';
    child.stdout.on('data', (part: Buffer) => (output += part.toString('utf8')));
    child.stderr.on('data', (part: Buffer) => (output += part.toString('utf8')));
    child.on('error', reject);
    child.on('close', (code) => resolve({ exitCode: code ?? 1, output }));
  });
}

/** The path of the forge binary, from npm or else from the directories of `searchPath`. */
export function forgePath(searchPath: string): string {
  const fromNpm = installedForge();
  const candidates = searchPath.split(':').map((folder) => join(folder, 'forge'));
  for (const candidate of fromNpm === undefined ? candidates : [fromNpm, ...candidates]) {
    if (isExecutable(candidate)) return candidate;
  }
  throw new ForgeMissingError('forge is not installed: run `npm ci`, or install Foundry 1.7.1 on PATH');
}

function installedForge(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve('@foundry-rs/forge-linux-amd64/bin/forge');
  } catch {
    return undefined; // an optional dependency: other platforms have none
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
