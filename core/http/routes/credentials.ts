import { z } from 'zod';
import { parseId } from '../../../lib/ids/ids.ts';
import { credentialsOf, enrolCredential, type CredentialRow } from '../../customers/customers.ts';
import { quorumOf } from '../../signing/signing.ts';
import type { HttpDeps } from '../deps.ts';
import { customerIn } from '../lookups.ts';
import { Problem, type ProblemCode } from '../problems.ts';
import { credential, idPath } from '../schemas.ts';
import type { Server } from '../server.ts';

const enrolProblems = [
  'UNKNOWN_CUSTOMER',
  'ENROLMENT_MALFORMED',
  'ENROLMENT_OF_ANOTHER',
  'ENROLMENT_NOT_SIGNED',
  'CREDENTIAL_KNOWN',
  'CREDENTIALS_TOO_MANY',
] as const satisfies readonly ProblemCode[];

/** Of a customer of this documentation, on the origin of a local system. */
const example = {
  enrolment: {
    document: {
      customer: '0198b7a8f2c17d3e9a4b5c6d7e8f9a0c',
      key: '0346aacd8392fa4af4a86edd90d6389e212578da6cf18507ab44cdedbbed84ba7a',
      ends: [],
    },
    signatures: [
      {
        kind: 'passkey',
        by: 'new',
        authenticatorData: '49960de5880e8c687434170f6476605b8fe4aeb9a28632c7995cf3ba831d97630500000000',
        clientData:
          '7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a22787a694b4661524f664a315f36545053455956525846676a2d6d7735766359623379464153717838686938222c226f726967696e223a22687474703a2f2f6c6f63616c686f73743a37333932222c2263726f73734f726967696e223a66616c73657d',
        signature:
          '3045022100fcffb1cd61e19054479e9aba02d1f9f93b487a8962f60e90d06f78ade04839a40220071474d7db7f5435bfa422f5dffa08713a70cf0bd22227077b3de18b168548ab',
      },
    ],
  },
};

/** What customers sign their orders with. */
export function credentialRoutes(app: Server, deps: HttpDeps): void {
  app.post(
    '/v1/customers/:id/credentials',
    {
      config: { scope: 'customers:create', problems: enrolProblems, idempotent: 'natural' },
      schema: {
        operationId: 'enrolCredential',
        tags: ['customers'],
        summary:
          'Pass on the enrolment of a passkey, as the customer signed it; signers decide since when it counts',
        params: idPath,
        body: z
          .strictObject({
            enrolment: z
              .object({ document: z.unknown(), signatures: z.array(z.unknown()).max(2) })
              .describe('A signed `portcullis/enrolment/1`'),
          })
          .meta({ examples: [example] }),
        response: { 200: credential, 201: credential },
      },
    },
    async (request, reply) => {
      const { id } = await customerIn(deps, request.params.id);
      const customer = parseId('customer', id);
      if (customer === undefined) throw new Problem('UNKNOWN_CUSTOMER');
      const { customerOrigin: origin } = quorumOf(deps.config);
      const input = { customer, signed: request.body.enrolment, origin, at: deps.now() };
      const result = await deps.db.transaction().execute((trx) => enrolCredential(trx, input));
      if (!result.ok) throw new Problem(result.reason);
      return reply.code(result.created ? 201 : 200).send(render(result.row));
    },
  );

  app.get(
    '/v1/customers/:id/credentials',
    {
      config: { scope: 'customers:read', problems: ['UNKNOWN_CUSTOMER'] },
      schema: {
        operationId: 'listCredentials',
        tags: ['customers'],
        summary: 'All that a customer enrolled, and what each signer answered',
        params: idPath,
        response: { 200: z.object({ data: z.array(credential) }) },
      },
    },
    async (request) => {
      const { id } = await customerIn(deps, request.params.id);
      return { data: (await credentialsOf(deps.db, id)).map(render) };
    },
  );
}

function render(row: CredentialRow): z.infer<typeof credential> {
  const taken = Object.entries(row.taken as Record<string, number | string>);
  return {
    customer_id: row.customer_id,
    key: row.key.toString('hex'),
    usable_at: row.usable_at?.toISOString() ?? null,
    ended_at: row.ended_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
    signers: taken.map(([signer, answer]) =>
      typeof answer === 'number'
        ? { signer, usable_at: new Date(answer).toISOString(), refused: null }
        : { signer, usable_at: null, refused: answer },
    ),
  };
}
