// Proves that the walker reads what bitcoinjs reads, on made blocks, and answers any other bytes with one error.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Block, Transaction } from 'bitcoinjs-lib';
import * as fc from 'fast-check';
import { ChainError } from '../faults.ts';
import {
  hashText,
  merkleRoot,
  readHeader,
  txHash,
  txIdOf,
  walkBlock,
  walkTransaction,
} from './parse-block.ts';
import { scanBlock } from './scan.ts';
import { scriptTable } from './script-table.ts';

const bytesOf = (min: number, max: number) => fc.uint8Array({ minLength: min, maxLength: max });
const inputs = fc.array(
  fc.record({
    hash: bytesOf(32, 32),
    index: fc.nat(2 ** 31 - 1),
    script: bytesOf(0, 300),
    witness: fc.array(bytesOf(0, 300), { maxLength: 3 }),
  }),
  { minLength: 1, maxLength: 5 },
);
const outputs = fc.array(
  fc.record({ value: fc.bigInt({ min: 0n, max: 2_100_000_000_000_000n }), script: bytesOf(0, 300) }),
  { minLength: 1, maxLength: 5 },
);
const transactions = fc.array(fc.record({ inputs, outputs }), { minLength: 1, maxLength: 6 });

function blockOf(list: ReturnType<typeof transactions.generate>['value']): { block: Block; bytes: Buffer } {
  const block = new Block();
  block.version = 4;
  block.prevHash = randomBytes(32);
  block.timestamp = 1_700_000_000;
  block.bits = 0x207fffff;
  block.nonce = 7;
  block.transactions = list.map((entry) => {
    const transaction = new Transaction();
    transaction.version = 2;
    for (const input of entry.inputs) {
      transaction.addInput(input.hash, input.index, 0xfffffffd, input.script);
    }
    for (const output of entry.outputs) transaction.addOutput(output.script, output.value);
    for (const [i, input] of entry.inputs.entries()) transaction.setWitness(i, input.witness);
    return transaction;
  });
  block.merkleRoot = Block.calculateMerkleRoot(block.transactions);
  return { block, bytes: Buffer.from(block.toBuffer()) };
}

test('every input, output, id, hash and root is the one bitcoinjs has', () => {
  fc.assert(
    fc.property(transactions, (list) => {
      const { block, bytes } = blockOf(list);
      const seen: unknown[] = [];
      const hashes: Buffer[] = [];
      const count = walkBlock(bytes, {
        onInput: (t, i, at) =>
          seen.push([t, 'in', i, bytes.subarray(at, at + 32).toString('hex'), bytes.readUInt32LE(at + 32)]),
        onOutput: (t, i, value, at, length) =>
          seen.push([
            t,
            'out',
            i,
            bytes.readBigUInt64LE(value),
            bytes.subarray(at, at + length).toString('hex'),
          ]),
        onTransaction: (_t, span) => hashes.push(txHash(bytes, span)),
      });
      const parsed = Block.fromBuffer(bytes).transactions!;
      assert.equal(count, parsed.length);
      assert.deepEqual(
        seen,
        parsed.flatMap((transaction, t) => [
          ...transaction.ins.map((input, i) => [
            t,
            'in',
            i,
            Buffer.from(input.hash).toString('hex'),
            input.index,
          ]),
          ...transaction.outs.map((out, i) => [
            t,
            'out',
            i,
            out.value,
            Buffer.from(out.script).toString('hex'),
          ]),
        ]),
      );
      assert.deepEqual(
        hashes.map(hashText),
        parsed.map((transaction) => transaction.getId()),
      );
      const header = readHeader(bytes);
      assert.equal(header.hash, block.getId());
      assert.deepEqual(merkleRoot(hashes), Buffer.from(block.merkleRoot!));
      assert.deepEqual(header.merkleRoot, Buffer.from(block.merkleRoot!));
    }),
    { numRuns: 200 },
  );
});

test('one raw transaction by itself', () => {
  fc.assert(
    fc.property(transactions, (list) => {
      for (const transaction of blockOf(list).block.transactions!) {
        assert.equal(txIdOf(Buffer.from(transaction.toBuffer())), transaction.getId());
      }
    }),
    { numRuns: 50 },
  );
});

const isGarbage = (error: unknown): boolean => error instanceof ChainError && error.code === 'NODE_GARBAGE';

test('every truncation and every appended byte is refused', () => {
  const [list] = fc.sample(transactions, { numRuns: 1, seed: 5 });
  const { bytes } = blockOf(list!);
  for (let length = 0; length < bytes.length; length += 1) {
    assert.throws(() => walkBlock(bytes.subarray(0, length), {}), isGarbage);
  }
  assert.throws(() => walkBlock(Buffer.concat([bytes, Buffer.of(0)]), {}), isGarbage);
  assert.throws(() => readHeader(bytes.subarray(0, 79)), isGarbage);
});

test('random bytes and flipped bytes end at once, in a walk to the end or in the one error', () => {
  const tables = {
    scripts: scriptTable({ seed: randomBytes(8) }),
    coins: scriptTable({ seed: randomBytes(8) }),
  };
  const tries = (bytes: Buffer): void => {
    try {
      scanBlock(bytes, tables);
      walkTransaction(bytes, {});
    } catch (error) {
      assert.ok(isGarbage(error), String(error));
    }
  };
  fc.assert(
    fc.property(transactions, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), (list, flips) => {
      const { bytes } = blockOf(list);
      for (const [at, value] of flips) bytes[at % bytes.length] = value;
      tries(bytes);
    }),
    { numRuns: 1000 },
  );
  fc.assert(
    fc.property(bytesOf(0, 400), (bytes) => tries(Buffer.from(bytes))),
    { numRuns: 2000 },
  );
});

test('counts of billions are refused before anything is walked', () => {
  for (const count of ['feffffffff', 'ffffffffff00000000', 'ffffffffffffffffff', 'fdffff']) {
    const bytes = Buffer.concat([Buffer.alloc(80), Buffer.from(count, 'hex'), Buffer.alloc(200)]);
    const started = performance.now();
    assert.throws(() => walkBlock(bytes, {}), isGarbage);
    assert.ok(performance.now() - started < 50);
  }
});

test('a list with its tail doubled has the same root and is refused (CVE-2012-2459)', () => {
  const hashes = [randomBytes(32), randomBytes(32), randomBytes(32)];
  merkleRoot(hashes);
  assert.throws(() => merkleRoot([...hashes, hashes[2]!]), isGarbage);
  assert.throws(() => merkleRoot([]), isGarbage);
});

test('worth more than all coins there will ever be', () => {
  const script = Buffer.from('0014', 'hex');
  const tables = {
    scripts: scriptTable({ seed: randomBytes(8) }),
    coins: scriptTable({ seed: randomBytes(8) }),
  };
  tables.scripts.add(script, 0, script.length, 1);
  const one = (value: bigint) =>
    blockOf([
      {
        inputs: [{ hash: randomBytes(32), index: 0, script: new Uint8Array(), witness: [] }],
        outputs: [{ value, script }],
      },
    ]).bytes;
  assert.equal(scanBlock(one(2_100_000_000_000_000n), tables).outputs[0]?.units, 2_100_000_000_000_000n);
  assert.throws(() => scanBlock(one(2_100_000_000_000_001n), tables), isGarbage);
});
