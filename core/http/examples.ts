/** One example for each operation of the API, as its description shows them. A test holds each against a real answer. */
interface OperationExample {
  /** By name; path parameters have one each. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** What a successful answer looks like: JSON, or text for a stream. */
  readonly answer: unknown;
  /** A bad answer that is no problem document. */
  readonly badAnswer?: unknown;
}

const alice = 'cus_0198b7a8f2c07d3e9a4b5c6d7e8f9a0b';
const bitcoin = { network: 'bitcoin', network_id: 'bip122:000000000019d6689c085ae165831e93' };
const ethereum = { network: 'ethereum', network_id: 'eip155:1' };
const at = (minute: number): string => `2026-11-23T09:${String(minute).padStart(2, '0')}:00.000Z`;
const lastPage = { next_cursor: null, has_more: false };

const customer = { id: alice, external_id: 'alice', created_at: at(0) };

const bob = 'cus_0198b7a8f2c17d3e9a4b5c6d7e8f9a0c';

const credential = {
  customer_id: bob,
  key: '0346aacd8392fa4af4a86edd90d6389e212578da6cf18507ab44cdedbbed84ba7a',
  usable_at: '2026-11-30T09:00:02.000Z',
  ended_at: null,
  created_at: at(0),
  signers: [
    { signer: 'a', usable_at: '2026-11-30T09:00:01.000Z', refused: null },
    { signer: 'b', usable_at: '2026-11-30T09:00:02.000Z', refused: null },
    { signer: 'c', usable_at: '2026-11-30T09:00:01.000Z', refused: null },
  ],
};

const address = {
  id: 'addr_0198b7a901e27c4f8d6e5f708192a3b4',
  customer_id: alice,
  ...bitcoin,
  address: 'bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3',
  account_id: `${bitcoin.network_id}:bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3`,
  assets: ['BTC'],
  asset_ids: [`${bitcoin.network_id}/slip44:0`],
  status: 'active',
  valid_from: at(1),
  replaced_by: null,
};

const balance = {
  asset: 'BTC',
  total: '0.75000000',
  final: '0.50000000',
  provisional: '0.25000000',
  held: '0.10000000',
  available: '0.65000000',
  withdrawable: '0.40000000',
};

const deposit = {
  id: 'dep_0198b7aa10f37b2c9d8e7f6051423344',
  customer_id: alice,
  asset: 'BTC',
  asset_id: `${bitcoin.network_id}/slip44:0`,
  ...bitcoin,
  amount: '0.25000000',
  amount_base: '25000000',
  address: address.address,
  tx_id: '4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b',
  position: '0',
  status: 'safe',
  confirmations: 2,
  confirmations_safe: 2,
  confirmations_irreversible: 6,
  late: false,
  written_off: false,
  seen_at: at(2),
  updated_at: at(14),
};

const depositSteps = [
  {
    at: at(2),
    from: null,
    to: 'seen',
    actor: 'chain',
    reason_code: 'SEEN_IN_MEMPOOL',
    evidence: { tx_id: deposit.tx_id, block_hash: null, height: null },
  },
  {
    at: at(14),
    from: 'seen',
    to: 'safe',
    actor: 'chain',
    reason_code: 'DEPTH_SAFE',
    evidence: { tx_id: deposit.tx_id, height: 900_001, confirmations: 2 },
  },
];

const stray = {
  id: 'str_0198b7ab21047a1d8c9b0a1f2e3d4c5b',
  ...bitcoin,
  tx_id: 'b1fea52486ce0c62bb442b530a3f0132b826c74e473d1f2c220bfa78111c5082',
  address: address.address,
  contract: null,
  amount_base: '500',
  asset: 'BTC',
  reason_code: 'BELOW_MINIMUM',
  status: 'recorded',
  customer_id: alice,
  resolved_to: null,
  remedy:
    'Credited by itself once the small payments of this customer and asset reach the minimum together; it can be resolved by hand before.',
  seen_at: at(3),
};

const order = {
  kind: 'customer',
  orderNumber: '1024',
  customer: '0198b7a8f2c07d3e9a4b5c6d7e8f9a0b',
  credentialSetHash: '0'.repeat(64),
  epoch: 1,
  asset: 'eip155:1/slip44:60',
  destination: '0x52908400098527886E0F7030069857D2E4169EE7',
  amount: '250000000000000000',
  maxFee: '1000000000000000',
  expiry: '1796000000',
};

const paid = {
  amount: '0.250000000000000000',
  amount_base: '250000000000000000',
  fee: '0.001000000000000000',
  fee_base: '1000000000000000',
};

const digest = '5d41402abc4b2a76b9719d911017c592ae2e6f0b3c1d4e5f60718293a4b5c6d7';

const withdrawal = {
  id: 'wdr_0198b7ac3215791e8b0a9f8e7d6c5b4a',
  order_number: '1024',
  customer_id: alice,
  external_id: 'withdrawal-1',
  asset: 'ETH',
  asset_id: 'eip155:1/slip44:60',
  ...ethereum,
  destination: order.destination,
  ...paid,
  status: 'requested',
  reason_code: '',
  tx_id: null,
  confirmations: null,
  order,
  digest,
  created_at: at(20),
  updated_at: at(20),
};

const withdrawalSteps = [
  {
    at: at(20),
    from: null,
    to: 'requested',
    actor: 'customer',
    reason_code: 'ASKED',
    evidence: { order_number: '1024' },
  },
];

const event = {
  sequence: '121',
  at: at(20),
  type: 'withdrawal.requested',
  subject: withdrawal.id,
  data: { from: null, to: 'requested', reason: 'ASKED', order_number: '1024' },
};

const gate = { state: 'open', reason: '', since: null };

const asset = {
  id: 'BTC',
  name: 'Bitcoin',
  decimals: 8,
  networks: [
    {
      network: 'bitcoin',
      network_name: 'Bitcoin',
      network_id: bitcoin.network_id,
      asset_id: deposit.asset_id,
      contract: null,
      deposit_minimum: '0.00010000',
      withdrawal_minimum: '0.00020000',
      withdrawal_fee: '0.00005000',
      confirmations: [
        { from: '0.00000000', safe: 2, irreversible: 6 },
        { from: '10.00000000', safe: 6, irreversible: 12 },
      ],
      deposits: gate,
      withdrawals: gate,
    },
  ],
};

const halt = {
  network: 'bitcoin',
  code: 'REORG_TOO_DEEP',
  detail: 'the chain forked 30 blocks below the tip; followed are at most 20',
  since: at(30),
};

const books = {
  balanced: true,
  data: [
    {
      asset: 'BTC',
      lines: [
        { account: 'customer', network: null, balance: '0.75000000', balance_base: '75000000' },
        { account: 'hot', network: 'bitcoin', balance: '-0.75000000', balance_base: '-75000000' },
      ],
      sum_base: '0',
    },
  ],
  audit: null,
};

export const operationExamples: Readonly<Record<string, OperationExample>> = {
  createCustomer: { answer: customer },
  findCustomer: { parameters: { external_id: 'alice' }, answer: { data: [customer] } },
  readCustomer: { parameters: { id: alice }, answer: customer },
  enrolCredential: { parameters: { id: bob }, answer: credential },
  listCredentials: { parameters: { id: bob }, answer: { data: [credential] } },
  issueDepositAddress: { parameters: { id: alice }, answer: address },
  listDepositAddresses: { parameters: { id: alice }, answer: { data: [address] } },
  readBalances: { parameters: { id: alice }, answer: { data: [balance] } },
  listDeposits: { answer: { data: [deposit], page: lastPage } },
  readDeposit: { parameters: { id: deposit.id }, answer: { ...deposit, timeline: depositSteps } },
  writeOffDeposit: {
    parameters: { id: deposit.id },
    answer: {
      ...deposit,
      status: 'orphaned',
      confirmations: 0,
      written_off: true,
      timeline: [
        ...depositSteps,
        {
          at: at(30),
          from: 'safe',
          to: 'orphaned',
          actor: 'chain',
          reason_code: 'BLOCK_ORPHANED',
          evidence: { tx_id: deposit.tx_id, height: 900_001 },
        },
      ],
    },
  },
  listStrays: { answer: { data: [stray], page: lastPage } },
  resolveStray: {
    parameters: { id: stray.id },
    answer: {
      ...stray,
      status: 'resolved',
      resolved_to: 'house',
      remedy: 'Nothing is left to do: it was resolved.',
    },
  },
  quoteWithdrawal: {
    answer: {
      id: 'quo_0198b7ac0104782d9e8f7a6b5c4d3e2f',
      ...paid,
      total_debit: '0.251000000000000000',
      expires_at: at(29),
      order,
      digest,
    },
  },
  requestWithdrawal: {
    parameters: { 'idempotency-key': 'b7c9f0d2-withdrawal-1' },
    answer: { ...withdrawal, timeline: withdrawalSteps },
  },
  listWithdrawals: { answer: { data: [withdrawal], page: lastPage } },
  readWithdrawal: { parameters: { id: withdrawal.id }, answer: { ...withdrawal, timeline: withdrawalSteps } },
  cancelWithdrawal: {
    parameters: { id: withdrawal.id },
    answer: {
      ...withdrawal,
      status: 'cancelled',
      reason_code: 'ASKED',
      timeline: [
        ...withdrawalSteps,
        { at: at(21), from: 'requested', to: 'cancelled', actor: 'api', reason_code: 'ASKED', evidence: {} },
      ],
    },
  },
  transfer: {
    parameters: { 'idempotency-key': 'b7c9f0d2-trade-1' },
    answer: { data: [{ external_id: 'trade-1', status: 'applied', code: null, detail: null }] },
  },
  listAssets: { answer: { data: [asset] } },
  listEvents: { answer: { data: [event], page: { next_after: '121', has_more: false } } },
  streamEvents: {
    answer: `: connected\n\nid: ${event.sequence}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`,
  },
  listHalts: { answer: { data: [halt] } },
  clearHalt: { parameters: { network: 'bitcoin' }, answer: { network: 'bitcoin', cleared: true } },
  readBooks: { answer: books },
  readBlastRadius: {
    answer: {
      at: '2026-01-01T00:00:05.000Z',
      unread_signers: ['signer-3'],
      unasked_networks: [{ network: 'eip155:1', detail: 'the node does not answer' }],
      captures: [
        {
          captured: 'core',
          control: 'windows of each signer’s policy, and the tiers of an asset that has them',
          costs: [
            {
              asset_id: 'bip122:000000000019d6689c085ae165831e93/slip44:0',
              asset: 'BTC',
              network: 'bitcoin',
              amount: '2.01',
              amount_base: '201000000',
              basis: 'journals',
            },
          ],
        },
      ],
    },
  },
  livez: { answer: { status: 'ok' } },
  readyz: {
    answer: {
      ready: true,
      checks: [
        { name: 'database', ok: true, detail: 'answers' },
        { name: 'chain bitcoin', ok: true, detail: 'height 900002, 41 s old' },
      ],
    },
    badAnswer: {
      ready: false,
      checks: [
        { name: 'database', ok: true, detail: 'answers' },
        { name: 'chain bitcoin', ok: false, detail: 'halted: REORG_TOO_DEEP' },
      ],
    },
  },
};
