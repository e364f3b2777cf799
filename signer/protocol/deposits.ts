/**
 * Deposits that a sentinel saw at irreversible depth by a node of its own. Whose they are is each signer's own finding,
 * from the addresses that it has certified (docs/decisions/0032-address-certificates.md).
 */
import { MalformedError, parsing, type Parsed } from './canonical.ts';
import {
  bytesField,
  documentOf,
  list,
  record,
  textField,
  u256Field,
  u32Field,
  u64Field,
  type DocumentValue,
} from './document.ts';
import { ASSET, NETWORK, SIGNER_ID, readNumber, readObject, readText } from './json.ts';
import { EPOCH_MAX } from './manifest.ts';
import { affirmed, isRefusal, readHead, readRefused, type JournalHead, type Refused } from './messages.ts';

export const DEPOSITS_MAX = 200;

const depositField = record({
  /** Transaction id, as it is written. */
  id: bytesField(32),
  /** Bitcoin: vout; EVM: the log's index in its transaction, or 2^32 - 1 for the transaction's own value. */
  output: u32Field(),
  /** The UUID of the customer whose certified address it went to, and which of theirs; see CertifyLeaf. */
  customer: bytesField(16),
  index: u32Field(),
  /** CAIP-19. */
  asset: textField(ASSET),
  /** Base units. */
  amount: u256Field,
  /** Of its block, Unix seconds. */
  at: u64Field,
});

export const depositsDocument = documentOf(
  'portcullis/deposits/1',
  {
    epoch: u32Field(EPOCH_MAX),
    /** CAIP-2. */
    network: textField(NETWORK),
    /** A sentinel. */
    by: textField(SIGNER_ID),
    deposits: list(depositField, { min: 1, max: DEPOSITS_MAX, isSet: true }),
  },
  ({ network, deposits }) => {
    for (const { asset, amount } of deposits) {
      if (!asset.startsWith(`${network}/`))
        throw new MalformedError(`deposits: ${asset} is of another network`);
      if (amount === 0n) throw new MalformedError('deposits: of nothing');
    }
  },
);
export type Deposits = DocumentValue<typeof depositsDocument>;
export type Deposit = Deposits['deposits'][number];

export interface DepositsTaken {
  readonly ok: true;
  readonly signer: string;
  readonly journal: JournalHead;
  /** How many of them count now, those of earlier statements included; the others went to no address that counts. */
  readonly counted: number;
}
export type DepositsAnswer = DepositsTaken | Refused;

export function parseDepositsAnswer(value: unknown): Parsed<DepositsAnswer> {
  return parsing(() => {
    if (isRefusal(value)) return readRefused(value);
    const answer = readObject(value, 'answer', ['ok', 'signer', 'journal', 'counted']);
    affirmed(answer['ok']);
    return {
      ok: true,
      signer: readText(answer['signer'], 'answer.signer', SIGNER_ID),
      journal: readHead(answer['journal']),
      counted: readNumber(answer['counted'], 'answer.counted', DEPOSITS_MAX),
    };
  });
}
