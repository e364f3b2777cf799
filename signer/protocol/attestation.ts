/** The attestation: a sentinel says of one network, at one block, what it has proved there. It soon grows stale. */
import { MalformedError } from './canonical.ts';
import {
  bytesField,
  documentOf,
  list,
  oneOf,
  record,
  textField,
  u32Field,
  u64Field,
  type DocumentValue,
} from './document.ts';
import { NETWORK, SIGNER_ID } from './json.ts';

/** What is said, and what it rests on. */
const clauseField = record({
  clause: oneOf({
    /** All that left up to this block is in the journals of as many signers as a payment needs. */
    'outflows-explained': 1,
    /** Nobody took power over vault or tokens. */
    'power-unchanged': 2,
    /** Every journal that was read is one unbroken chain, and tells no other story of an order. */
    'journals-agree': 3,
    /** The chain holds what the books owe. */
    'books-covered': 4,
  }),
  /** `chain`: chain and journals, which holds with core captured. `books`: core's word beside it, which finds errors. */
  basis: oneOf({ chain: 1, books: 2 }),
});

/** What no attestation may lack, and nobody's books prove. */
const NEEDED = ['outflows-explained', 'journals-agree'];
const CLAUSES_MAX = 16;
const VALID_MAX_SECONDS = 3600;

export const attestationDocument = documentOf(
  'portcullis/attestation/1',
  {
    epoch: u32Field(),
    /** CAIP-2. */
    network: textField(NETWORK),
    height: u64Field,
    blockHash: bytesField(32),
    /** A sentinel. */
    by: textField(SIGNER_ID),
    /** Unix seconds. */
    issuedAt: u64Field,
    validSeconds: u32Field(VALID_MAX_SECONDS),
    clauses: list(clauseField, { min: 1, max: CLAUSES_MAX, isSet: true }),
  },
  ({ validSeconds, clauses }) => {
    if (validSeconds === 0) throw new MalformedError('attestation.validSeconds: at least 1');
    if (new Set(clauses.map(({ clause }) => clause)).size !== clauses.length)
      throw new MalformedError('attestation: one clause twice');
    for (const needed of NEEDED)
      if (!clauses.some(({ clause, basis }) => clause === needed && basis === 'chain'))
        throw new MalformedError(`attestation: ${needed} is not proved from the chain`);
  },
);
export type Attestation = DocumentValue<typeof attestationDocument>;
