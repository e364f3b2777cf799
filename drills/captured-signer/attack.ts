/** One signer’s host in other hands, with its open key and its certificates. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { openSigner } from '../../client/signer.ts';
import { stolenKeys } from '../../sentinel/test/thief.ts';
import { manifestIn, note, type Drill, type Scene } from '../scene.ts';

export const drill: Drill = {
  name: 'captured-signer',
  capability: 'one signer’s host with its open key, and whatever its certificates open at its peers',
  control: 'the float’s scripts ask for the signatures of two signers',
  bound: { BTC: 0n },
  scene: {},
  honest: 'paid',
  unmeasured: 'one signature moves nothing, so nothing leaves that a sentinel could see',
  attack: async (scene) => {
    await askPeers(scene);
    const wallet = await walletOf(scene);
    for (let bite = 0; bite < 4; bite += 1)
      await scene.stack.node
        .walletRpc(wallet, 'sendtoaddress', scene.thief, '0.5')
        .catch((error: unknown) => note(scene, codeOf(error)));
  },
};

const codeOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).slice(0, 80);

/** A wallet of the thief’s own software, with the one key and what the manifest says of the others. */
async function walletOf({ stack }: Scene): Promise<string> {
  const { node, signers } = stack;
  const [stolen] = stolenKeys(stack, 1);
  assert.ok(stolen);
  const keys = [stolen.account.privateExtendedKey, ...signers.all.slice(1).map(({ xpub }) => xpub)];
  await node.rpc('createwallet', 'thief', false, true);
  const requests = await Promise.all(
    [0, 1].map(async (branch) => {
      const paths = keys.map((key) => `${key}/${branch}/*`).join(',');
      const plain = `wsh(sortedmulti(${manifestIn(stack).threshold},${paths}))`;
      const { checksum } = await node.rpc<{ checksum: string }>('getdescriptorinfo', plain);
      const desc = `${plain}#${checksum}`;
      return { desc, range: [0, 300], timestamp: 0, active: true, internal: branch === 1 };
    }),
  );
  const imported = await node.walletRpc<{ success: boolean }[]>('thief', 'importdescriptors', requests);
  assert.ok(imported.every(({ success }) => success));
  return 'thief';
}

/** As the peer that it is: to sign, to freeze, to take documents, to hold a journal that never was. */
async function askPeers(scene: Scene): Promise<void> {
  const { folder, signers } = scene.stack;
  const [own, ...peers] = signers.all;
  assert.ok(own);
  const key = readFileSync(folder.at('signers', own.id, `signer-${own.id}.key`), 'utf8');
  const client = { certificate: readFileSync(own.certificateFile, 'utf8'), key };
  for (const { url, certificateFile } of peers) {
    const askPeer = openSigner({ url, certificate: readFileSync(certificateFile, 'utf8'), client });
    for (const path of ['/v1/sign', '/v1/policy', '/v1/manifest', '/v1/freeze', '/v1/countersign']) {
      const answer = await askPeer('POST', path, {});
      assert.notEqual(answer['ok'], true, path);
      note(scene, `${path} ${JSON.stringify(answer['code'] ?? answer['error'] ?? 'not for a peer')}`);
    }
  }
}
