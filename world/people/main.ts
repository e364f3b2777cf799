/** The process that stands for people. `node world/people/main.ts KEYFILE`, spoken to over its IPC channel alone. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { HDKey } from '@scure/bip32';
import { TEST_NETWORK, p2ms, p2wsh } from '@scure/btc-signer';
import { bytesToHex, type Address, type Hex } from 'viem';
import { privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';
import { connectEvm, transact } from '../../contracts/rpc.ts';
import { executeSafe } from '../../contracts/safe.ts';
import { openAuthenticator, type Authenticator } from './authenticator.ts';
import {
  OPERATORS,
  OPERATOR_ORIGIN,
  OPERATOR_QUORUM,
  type Office,
  type PeopleAnswer,
  type PeopleRequest,
  type PublicPeople,
  type SignatureJson,
} from './people.ts';

const REGTEST = { ...TEST_NETWORK, bech32: 'bcrt' };

interface Keys {
  readonly offices: Readonly<Record<Office, readonly Hex[]>>;
  readonly guardians: readonly Hex[];
  /** Of the operators, in their order. */
  readonly passkeys: readonly Hex[];
  /** Seeds of the three cold devices. */
  readonly devices: readonly Hex[];
}

const THRESHOLDS: Readonly<Record<Office, number>> = { cold: 2, operators: 2, owner: 2 };
/** BIP-48: multisig, test network, first account, native segwit. */
const DEVICE_PATH = "m/48'/1'/0'/2'";
/** The versions of tpub and tprv, BIP-32. */
const TEST_VERSIONS = { public: 0x043587cf, private: 0x04358394 };

const [keyFile] = process.argv.slice(2);
if (keyFile === undefined || process.send === undefined) {
  process.stderr.write('usage: started by the local system, with the file of its keys\n');
  process.exit(2);
}
const keys = keysIn(keyFile);
process.on('disconnect', () => process.exit(0));
process.on('message', (request) => {
  void answer(request as PeopleRequest).then((message) => process.send?.(message));
});

async function answer(request: PeopleRequest): Promise<PeopleAnswer> {
  try {
    return { ok: true, value: await carryOut(request) };
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error) };
  }
}

async function carryOut(request: PeopleRequest): Promise<PublicPeople | Hex | SignatureJson[]> {
  switch (request.do) {
    case 'introduce':
      return introduce();
    case 'approve':
      return operators()
        .slice(0, OPERATOR_QUORUM)
        .map(({ id, authenticator }) => {
          const assertion = authenticator.assert(Buffer.from(request.digest, 'hex'), OPERATOR_ORIGIN);
          return {
            kind: 'passkey',
            by: id,
            authenticatorData: assertion.authenticatorData.toString('hex'),
            clientData: assertion.clientData.toString('hex'),
            signature: assertion.signature.toString('hex'),
          };
        });
    case 'execute': {
      const client = await connectEvm(request.rpcUrl, request.chainId);
      const owners = keys.offices[request.office].map((key) => privateKeyToAccount(key));
      const quorum = owners.slice(0, THRESHOLDS[request.office]);
      const { safe, to, data } = request;
      const receipt = await executeSafe(client, { safe, to, data, owners: quorum, payer: firstOf(owners) });
      return receipt.transactionHash;
    }
    case 'guard': {
      const client = await connectEvm(request.rpcUrl, request.chainId);
      const guardian = firstOf(keys.guardians.map((key) => privateKeyToAccount(key)));
      return (await transact(client, guardian, { to: request.to, data: request.data })).transactionHash;
    }
  }
}

function introduce(): PublicPeople {
  const office = (name: Office) => ({
    owners: keys.offices[name].map((key) => privateKeyToAccount(key).address),
    threshold: THRESHOLDS[name],
  });
  return {
    safes: { cold: office('cold'), operators: office('operators'), owner: office('owner') },
    guardians: keys.guardians.map((key) => privateKeyToAccount(key).address),
    operators: operators().map(({ id, authenticator, guardian }) => ({
      id,
      passkey: authenticator.publicKey.toString('hex'),
      guardian,
    })),
    coldDescriptor: coldDescriptor(),
    coldBitcoin: coldBitcoin(),
  };
}

/** BIP-380 text with its key origins; the checksum is the node's to add. */
function coldDescriptor(): string {
  const origins = keys.devices.map((seed) => {
    const root = HDKey.fromMasterSeed(Buffer.from(seed.slice(2), 'hex'), TEST_VERSIONS);
    const fingerprint = root.fingerprint.toString(16).padStart(8, '0');
    const account = root.derive(DEVICE_PATH);
    return `[${fingerprint}/${DEVICE_PATH.slice(2).replaceAll("'", 'h')}]${account.publicExtendedKey}/<0;1>/*`;
  });
  return `wsh(sortedmulti(2,${origins.join(',')}))`;
}

function coldBitcoin(): string {
  const pubkeys = keys.devices.map((seed) => {
    const root = HDKey.fromMasterSeed(Buffer.from(seed.slice(2), 'hex'), TEST_VERSIONS);
    const { publicKey } = root.derive(DEVICE_PATH).deriveChild(0).deriveChild(0);
    if (publicKey === null) throw new Error('a device without a key');
    return publicKey;
  });
  const { address } = p2wsh(
    p2ms(
      2,
      pubkeys.toSorted((a, b) => Buffer.compare(a, b)),
    ),
    REGTEST,
  );
  if (address === undefined) throw new Error('no address for the cold wallet');
  return address;
}

interface Operator {
  readonly id: string;
  readonly authenticator: Authenticator;
  readonly guardian: Address;
}

function operators(): Operator[] {
  return OPERATORS.map((id, i) => ({
    id,
    authenticator: openAuthenticator(Buffer.from(keys.passkeys[i]?.slice(2) ?? '', 'hex')),
    guardian: privateKeyToAccount(keys.guardians[i] ?? '0x').address,
  }));
}

function firstOf(accounts: readonly PrivateKeyAccount[]): PrivateKeyAccount {
  const [first] = accounts;
  if (!first) throw new Error('nobody holds this office');
  return first;
}

/** Made by the system's generator the first time, and never leaving this process afterwards. */
function keysIn(path: string): Keys {
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as Keys;
  const fresh = (count: number): Hex[] => Array.from({ length: count }, () => bytesToHex(randomBytes(32)));
  const made: Keys = {
    offices: { cold: fresh(3), operators: fresh(3), owner: fresh(3) },
    guardians: fresh(OPERATORS.length),
    passkeys: fresh(OPERATORS.length),
    devices: fresh(3),
  };
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(path, JSON.stringify(made), { mode: 0o600 });
  return made;
}
