#!/usr/bin/env node
// Starts the command line on the Node that the project pins: the machine's own may be too old for TypeScript.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('main.ts', import.meta.url));
const [major = 0] = process.versions.node.split('.').map(Number);
if (major >= 26) {
  await import(main);
} else {
  const pinned = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url));
  const result = spawnSync(pinned, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
  if (result.error) process.stderr.write('Run npm ci first: the pinned Node is not installed.\n');
  process.exitCode = result.status ?? 1;
}
