/** What can go wrong between us and a node. All of them leave the database as it was. */
export type ChainErrorCode =
  /** No answer, a broken connection, or an HTTP error. */
  | 'NODE_UNREACHABLE'
  | 'NODE_TIMEOUT'
  /** Its answer is not what the protocol says: not JSON, not a block, a block of another hash. */
  | 'NODE_GARBAGE'
  /** The receipts of a block are not those that its header names. */
  | 'RECEIPTS_MISMATCH'
  /** More bytes than we read. */
  | 'ANSWER_TOO_LARGE'
  /** Still loading, or behind the chain that we have. */
  | 'NODE_BEHIND'
  /** Credentials refused. */
  | 'NODE_REFUSED'
  /** The node understood and said no: see `nodeCode`. */
  | 'NODE_ERROR'
  /** The node is of another chain than the configuration names: halts the network. */
  | 'WRONG_CHAIN'
  /** Two answers do not fit together: the chain moved while we read it. */
  | 'CHAIN_MOVED'
  /** Another process has written this network's tip. */
  | 'TIP_TAKEN'
  | 'ADDRESS_WATCHED_OTHERWISE';

export class ChainError extends Error {
  override readonly name = 'ChainError';
  readonly code: ChainErrorCode;
  readonly retryable: boolean;
  /** JSON-RPC code of a NODE_ERROR. */
  readonly nodeCode: number | undefined;

  constructor(
    code: ChainErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly retryable?: boolean; readonly nodeCode?: number } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? true;
    this.nodeCode = options.nodeCode;
  }
}

/** Nothing that the node says about this network can be trusted by machine any more: becomes a halt. */
export type ChainHaltCode =
  /** The node's tip is below ours by more than reorgDepthMax. */
  | 'CHAIN_FORGOT_BLOCKS'
  /** The node's chain leaves ours deeper than reorgDepthMax. */
  | 'REORG_TOO_DEEP'
  /** Block 0 is another one than we began with, or than the configuration names. */
  | 'GENESIS_CHANGED';
