import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { HDKey } from '@scure/bip32';
import { testManifestText } from '../../../world/testing-manifest.ts';

/** Three signers whose public keys a wallet of a test is made of. */
export function manifestFile(t: TestContext, indexMax = 1_000_000): string {
  const folder = mkdtempSync(join(tmpdir(), 'customers-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const versions = { private: 0x04358394, public: 0x043587cf };
  const signers = [1, 2, 3].map((n) => {
    const master = HDKey.fromMasterSeed(new Uint8Array(32).fill(n), versions);
    const account = master.derive("m/48'/1'/1'/2'");
    const evmAddress = `0x${n.toString(16).padStart(40, '0')}`;
    return { id: `signer-${n}`, xpub: account.publicExtendedKey, evmAddress };
  });
  const network = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
  const bitcoin = {
    network,
    chain: 'regtest',
    asset: `${network}/slip44:1`,
    feeRateMaxSatPerVb: 500,
    feeMaxSat: '5000000',
    indexMax,
    cold: 'bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9pz3cppk',
  };
  const file = join(folder, 'manifest.json');
  writeFileSync(file, testManifestText({ epoch: 1, threshold: 2, signers, bitcoin: [bitcoin], evm: [] }));
  return file;
}
