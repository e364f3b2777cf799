/** Every reason for which a signer refuses, as one closed union; docs/refusals.md says what to do about each. */
export const refusals = Object.freeze({
  // Frame
  FRAME_TOO_LARGE: 'the request is larger than a signer reads',
  MALFORMED: 'the request is not in its schema',
  UNKNOWN_CALL: 'the signer has no such call',
  // State
  NO_KEY: 'no key has been made yet',
  KEY_EXISTS: 'a key exists and is never overwritten',
  KEY_LOST: 'the journal knows a key whose sealed file is gone',
  NOT_READMITTED: 'the key was restored from its backup, without the journal of what it signed',
  SEALED: 'the key is sealed: unseal first',
  WRONG_PASSPHRASE: 'the passphrase does not open the sealed key',
  NO_MANIFEST: 'no manifest is pinned',
  MANIFEST_PINNED: 'another manifest is pinned already',
  MANIFEST_REFUSED: 'the manifest contradicts itself or this signer',
  // Documents
  NOT_IN_ROSTER: 'the manifest’s roster does not name whoever signed',
  SUSPENDED: 'a quorum has suspended whoever signed',
  SIGNATURE_REFUSED: 'a signature is missing, of the wrong kind or over something else',
  ASSERTION_REFUSED: 'a passkey’s assertion does not stand for this document',
  QUORUM_MISSING: 'fewer operators signed than loosening needs',
  SCOPE_UNKNOWN: 'the manifest has no such scope to freeze',
  FREEZE_LIFTED: 'a quorum has lifted this very freeze',
  DOCUMENT_STALE: 'the document is too old, or too far ahead, by the own clock',
  FROZEN: 'a freeze stands over this payment',
  CLOCK_BACKWARDS: 'the clock stands before the last journal entry',
  // Binding
  WRONG_EPOCH: 'the epoch is not the pinned one',
  UNKNOWN_NETWORK: 'the manifest has no such network of this kind',
  WRONG_VAULT: 'the vault is not the pinned one',
  UNKNOWN_TOKEN: 'the token is not on the allow-list of the network',
  WRONG_ASSET: 'an order is of another asset',
  EXPIRED: 'an order has expired by the own clock',
  KIND_REFUSED: 'orders of this kind are not signed',
  CUSTOMER_MISMATCH: 'the customer field does not fit the kind of the order',
  ORDERS_NOT_ASCENDING: 'order numbers must ascend, no two alike',
  // Memory
  ORDER_CHANGED: 'the order number was signed with another content',
  ORDER_ELSEWHERE: 'the order was signed for another network or vault',
  NOT_A_REPLACEMENT:
    'an earlier transaction for the order, or child of the parent, could confirm beside this one',
  PARENT_UNKNOWN: 'a child spends a transaction that this signer has not signed for orders',
  // Limits
  NO_POLICY: 'no policy has been taken',
  POLICY_STALE: 'the policy does not follow the last one',
  NOT_IN_POLICY: 'the policy has no rule that allows this',
  ORDER_TOO_LARGE: 'an order is above the policy’s maximum',
  APPROVALS_MISSING: 'an order of this size needs approvals of operators',
  WINDOW_VALUE: 'the policy’s value of a window would be exceeded',
  WINDOW_COUNT: 'the policy’s number of orders in a window would be exceeded',
  WINDOW_FEES: 'the policy’s fees in a window would be exceeded',
  // The transaction, Bitcoin
  PSBT_MALFORMED: 'the PSBT cannot be decoded strictly, or is not version 0',
  PSBT_FIELD: 'the PSBT holds a field that has no place in a request',
  PREVIOUS_TX_MISMATCH: 'an input lacks its previous transaction, or that contradicts the input',
  TX_VERSION: 'the transaction version is not 2',
  TX_LOCKTIME: 'the lock time is not 0',
  TX_TOO_LARGE: 'the transaction is heavier than nodes relay',
  INPUT_SEQUENCE: 'an input has another sequence than 0xfffffffd',
  INPUT_TWICE: 'an input is spent twice',
  SIGHASH: 'an input asks for a signature over less than everything',
  CLAIMS_MISMATCH: 'inputs or outputs are more or fewer than the claims about them',
  INDEX_TOO_HIGH: 'a claimed index lies above the pinned window',
  INPUT_NOT_OURS: 'an input is not the script that the pinned keys give for its claim',
  CHANGE_NOT_OURS: 'a change output is not the script that the pinned keys give for its claim',
  ORDER_UNKNOWN: 'an output claims an order that is not in the request',
  ORDER_NOT_PAID: 'an order has no output',
  ORDER_PAID_TWICE: 'two outputs claim one order',
  OUTPUT_DIFFERS: 'an output is not what its order says',
  DUST: 'an output is below the dust limit of its script',
  OUTPUTS_EXCEED_INPUTS: 'the outputs are worth more than the inputs',
  FEE_TOO_HIGH: 'the fee, a child’s together with its parent’s, is above the pinned maximum',
  FEE_RATE_TOO_HIGH: 'the fee rate, of a child and its parent together, is above the pinned maximum',
  // The payment, any network
  ADDRESS_REFUSED: 'the destination is not a canonical address of the network, or may not be paid',
  AMOUNT_REFUSED: 'the amount is zero or larger than the network can carry',
  DEADLINE_REFUSED: 'the deadline is past or too far ahead',
} as const);

export type RefusalCode = keyof typeof refusals;

export const refusalCodes = Object.freeze(Object.keys(refusals) as RefusalCode[]);
