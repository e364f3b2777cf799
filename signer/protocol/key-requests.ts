/** What an operator says to a signer about its key: make one, and open it. */
import { MalformedError, parsing, type Parsed } from './canonical.ts';
import { readNumber, readObject, readOneOf, readText, type TextRule } from './json.ts';
import { EPOCH_MAX } from './manifest.ts';
import { TOKEN_PIN } from './token.ts';

const PASSPHRASE_LENGTH_MIN = 12;
const PASSPHRASE_LENGTH_MAX = 1024;
/** 100 throws of a fair die are 258 bits, as much as a key has. */
const DICE: TextRule = { lengthMax: 1000, pattern: /^[1-6]{100,}$/ };

export interface MakeKeyRequest {
  readonly passphrase: string;
  readonly epoch: number;
  /** Which coin type the Bitcoin account has: a test key never serves a main chain, nor the reverse. */
  readonly chain: 'main' | 'test';
  /** What operators threw: faces 1 to 6, in order. It is mixed with the system's generator. */
  readonly dice?: string;
  /** Of the signer's token: with it the EVM key is made there, and never leaves. */
  readonly pin?: string;
}

export interface UnsealRequest {
  readonly passphrase: string;
  /** Of the token in which the EVM key is; refused where it is in none. */
  readonly pin?: string;
}

export function parseUnseal(value: unknown): Parsed<UnsealRequest> {
  return parsing(() => {
    const { passphrase, pin } = readObject(value, 'request', ['passphrase'], ['pin']);
    return { passphrase: readPassphrase(passphrase), ...readPin(pin) };
  });
}

const readPin = (pin: unknown): { pin?: string } =>
  pin === undefined ? {} : { pin: readText(pin, 'request.pin', TOKEN_PIN) };

export function parseMakeKey(value: unknown): Parsed<MakeKeyRequest> {
  return parsing(() => {
    const request = readObject(value, 'request', ['passphrase', 'epoch', 'chain'], ['dice', 'pin']);
    const { dice } = request;
    return {
      passphrase: readPassphrase(request['passphrase']),
      epoch: readNumber(request['epoch'], 'request.epoch', EPOCH_MAX),
      chain: readOneOf(request['chain'], 'request.chain', ['main', 'test'] as const),
      ...(dice === undefined ? {} : { dice: readText(dice, 'request.dice', DICE) }),
      ...readPin(request['pin']),
    };
  });
}

function readPassphrase(value: unknown): string {
  const rule: TextRule = { lengthMax: PASSPHRASE_LENGTH_MAX, pattern: /^[^\p{Cc}]*$/u };
  const passphrase = readText(value, 'request.passphrase', rule);
  if (passphrase.length < PASSPHRASE_LENGTH_MIN) {
    throw new MalformedError(`request.passphrase: at least ${PASSPHRASE_LENGTH_MIN} characters`);
  }
  return passphrase;
}
