/** What an operator asks a signer for, to take Bitcoin to the cold address. */
import { U32_MAX, parsing, type Parsed } from './canonical.ts';
import { NETWORK, readList, readNumber, readObject, readOneOf, readText } from './json.ts';
import { BASE64, BITCOIN_INPUTS_MAX, readInputClaim, type InputClaim } from './messages.ts';

/** Everything goes to the manifest's cold address, while a freeze stands that covers the network. */
export interface BitcoinEvacuation {
  readonly type: 'bitcoin-evacuate';
  /** CAIP-2. */
  readonly network: string;
  readonly epoch: number;
  /** As for a payment, with one output. */
  readonly psbt: string;
  /** One claim for each input, in order. */
  readonly inputs: readonly InputClaim[];
}

export function parseEvacuation(value: unknown): Parsed<BitcoinEvacuation> {
  return parsing(() => {
    const request = readObject(value, 'request', ['type', 'network', 'epoch', 'psbt', 'inputs']);
    const many = { min: 1, max: BITCOIN_INPUTS_MAX };
    return {
      type: readOneOf(request['type'], 'request.type', ['bitcoin-evacuate'] as const),
      network: readText(request['network'], 'request.network', NETWORK),
      epoch: readNumber(request['epoch'], 'request.epoch', U32_MAX),
      psbt: readText(request['psbt'], 'request.psbt', BASE64),
      inputs: readList(request['inputs'], 'request.inputs', many, readInputClaim),
    };
  });
}
