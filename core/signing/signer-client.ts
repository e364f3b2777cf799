import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import type { Config } from '../config/config.ts';
import { parseEnrolmentAnswer, type EnrolmentAnswer } from '../../signer/protocol/enrolment.ts';
import type { Parsed } from '../../signer/protocol/canonical.ts';
import { parseSignAnswer, type SignAnswer, type SignRequest } from '../../signer/protocol/messages.ts';

/** One signer as core reaches it. */
export interface SignerClient {
  readonly id: string;
  /** Rejects with SignerUnreachableError; a refusal is an answer. */
  readonly sign: (request: SignRequest) => Promise<SignAnswer>;
  /** Passes on a customer's enrolment. */
  readonly enrol: (signed: unknown) => Promise<EnrolmentAnswer>;
}

/** The signer did not answer, or not with an answer: ask again later, with the same request. */
export class SignerUnreachableError extends Error {
  override readonly name = 'SignerUnreachableError';
  readonly code = 'SIGNER_UNREACHABLE';
  readonly retryable = true;
}

/** A hundred inputs take a signer under a second; a signer that is busy with others answers within this. */
const ANSWER_WITHIN_MS = 30_000;
const ANSWER_BYTES_MAX = 8 << 20;

/** Mutual TLS 1.3; the signer's certificate is pinned, no authority is trusted. */
export function signerClients(config: Config): SignerClient[] {
  const cert = readFileSync(config.signerClient.certificateFile);
  const key = readFileSync(config.signerClient.keyFile);
  return config.signers.map(({ id, url, certificateFile }) => {
    const agent = new Agent({
      keepAlive: true,
      ca: readFileSync(certificateFile),
      cert,
      key,
      minVersion: 'TLSv1.3',
    });
    return {
      id,
      sign: (ask) => post({ url: `${url}/v1/sign`, agent, id }, ask, parseSignAnswer),
      enrol: (signed) => post({ url: `${url}/v1/enrolment`, agent, id }, signed, parseEnrolmentAnswer),
    };
  });
}

function post<Answer extends { readonly signer: string }>(
  to: { url: string; agent: Agent; id: string },
  ask: unknown,
  parse: (value: unknown) => Parsed<Answer>,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fail = (why: string, cause?: unknown): void =>
      reject(new SignerUnreachableError(`signer ${to.id}: ${why}`, { cause }));
    const outgoing = request(
      to.url,
      {
        agent: to.agent,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        timeout: ANSWER_WITHIN_MS,
      },
      (response) => {
        const parts: Buffer[] = [];
        let length = 0;
        response.on('data', (part: Buffer) => {
          length += part.length;
          if (length > ANSWER_BYTES_MAX) outgoing.destroy(new Error('the answer is too large'));
          parts.push(part);
        });
        response.on('error', (error) => fail(error.message, error));
        response.on('end', () => {
          if (response.statusCode !== 200) return fail(`answered ${response.statusCode}`);
          const answer = answerIn(Buffer.concat(parts).toString('utf8'), to.id, parse);
          if (answer) resolve(answer);
          else fail('answered something that is no answer');
        });
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')));
    outgoing.on('error', (error) => fail(error.message, error));
    outgoing.end(JSON.stringify(ask));
  });
}

function answerIn<Answer extends { readonly signer: string }>(
  text: string,
  id: string,
  parse: (value: unknown) => Parsed<Answer>,
): Answer | undefined {
  try {
    const parsed = parse(JSON.parse(text));
    return parsed.ok && parsed.value.signer === id ? parsed.value : undefined;
  } catch {
    return undefined;
  }
}
