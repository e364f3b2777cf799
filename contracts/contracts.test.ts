// Proves that the contracts compile without a warning, that their unit, fuzz and invariant tests pass, that the
// committed ABI is theirs, and that payments and sweeps cost no more than committed.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { testAnvil } from '../world/testing.ts';
import { runForge } from './forge.ts';
import { staleAbi } from './generate-abi.ts';
import type { GasTable } from './measure-gas.ts';
import { measureGas, TRANSACTION_GAS_MAX } from './measure-gas.ts';

const here = import.meta.dirname;
/** A change beyond this needs a new gas.json: PORTCULLIS_WRITE_GAS=1 writes it. */
const GAS_TOLERANCE = 0.005;

// Two compilers at work at once: each takes one core for a while, forge's only after a change.
describe('sources', { concurrency: 2 }, () => {
  test('forge: unit, fuzz and invariant tests pass, without a compiler warning', async () => {
    const { exitCode, output } = await runForge(['test'], { env: process.env });
    assert.equal(exitCode, 0, output);
    const [, passed = '0'] = /(\d+) tests passed, 0 failed, 0 skipped/.exec(output) ?? [];
    assert.ok(Number(passed) >= 54, `${passed} tests ran; some are missing`);
  });

  test('the committed ABI and bytecode are what the sources give', async () => {
    assert.deepEqual(await staleAbi(process.env), [], 'run `node contracts/generate-abi.ts`');
  });

  test('solhint finds nothing', async () => {
    const solhint = join(
      dirname(createRequire(import.meta.url).resolve('solhint/package.json')),
      'solhint.js',
    );
    const args = [solhint, '--disc', '-q', '-c', '.solhint.json', '--max-warnings', '0', 'src/**/*.sol'];
    const run = promisify(execFile)(process.execPath, args, { cwd: here });
    await assert.doesNotReject(run, 'run `solhint -c .solhint.json "src/**/*.sol"` in contracts');
  });
});

test('gas is as committed', async (t) => {
  const file = join(here, 'gas.json');
  // A fixed clock: the hour decides which slots of the cap's ring are written for the first time.
  const anvil = await testAnvil(t, { bornSeconds: 1_800_000_300 });
  const [payer] = anvil.accounts;
  assert.ok(payer);
  const found = await measureGas(anvil.url, anvil.chainId, payer.privateKey);
  if (process.env['PORTCULLIS_WRITE_GAS'] === '1')
    await writeFile(file, `${JSON.stringify(found, null, 2)}\n`);
  const committed = JSON.parse(await readFile(file, 'utf8')) as GasTable;
  assert.deepEqual(Object.keys(found), Object.keys(committed));
  for (const [what, gas] of Object.entries(found)) {
    const wanted = committed[what] ?? 0;
    const message = `${what}: ${gas} gas, committed ${wanted}; if meant: PORTCULLIS_WRITE_GAS=1`;
    assert.ok(Math.abs(gas - wanted) <= wanted * GAS_TOLERANCE, message);
    assert.ok(BigInt(gas) < TRANSACTION_GAS_MAX, `${what} does not fit into a transaction`);
  }
});
