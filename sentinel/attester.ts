/** Attestations, signed by the sentinel's own key and brought straight to every signer, or withheld with a reason. */
import { createHash, sign, type KeyObject } from 'node:crypto';
import type { AskSigner } from '../client/signer.ts';
import { fromHex } from '../signer/protocol/canonical.ts';
import { attestationDocument, type Attestation } from '../signer/protocol/attestation.ts';
import { signaturesToJson } from '../signer/protocol/signatures.ts';
import type { NetworkReport } from './sentinel.ts';

export interface AttesterDeps {
  readonly id: string;
  readonly epoch: number;
  readonly key: KeyObject;
  readonly signers: readonly { readonly id: string; readonly ask: AskSigner }[];
  readonly nowMs: () => number;
  readonly everySeconds: number;
  readonly validSeconds: number;
}

/** The last one of a network. */
export interface AttestationReport {
  /** Unix ms. */
  readonly at: number;
  readonly height: number;
  readonly hash: string;
  readonly clauses: Attestation['clauses'];
  /** What each signer answered: `taken`, or why not. */
  readonly answers: Record<string, string>;
}

export interface Attester {
  /** Attests what was just seen, when it is time to. */
  attest(report: NetworkReport, clauses: Attestation['clauses']): Promise<void>;
  /** Nothing is attested of this network now, and why. */
  withhold(network: string, why: string): void;
  last(network: string): AttestationReport | undefined;
  withheld(network: string): string | undefined;
}

export function openAttester(deps: AttesterDeps): Attester {
  const { nowMs, everySeconds } = deps;
  const last = new Map<string, AttestationReport>();
  const withheld = new Map<string, string>();
  return {
    attest: async ({ network, height, hash }, clauses) => {
      withheld.delete(network);
      const at = nowMs();
      if (at < (last.get(network)?.at ?? -Infinity) + everySeconds * 1000) return;
      const report: AttestationReport = { at, height, hash, clauses, answers: {} };
      last.set(network, report);
      const signed = signedAttestation(network, report, deps);
      await Promise.all(
        deps.signers.map(async ({ id, ask }) => {
          report.answers[id] = await ask('POST', '/v1/attestation', signed).then(
            ({ ok, code, detail }) => (ok === true ? 'taken' : `${String(code)}: ${String(detail)}`),
            (error: unknown) => (error instanceof Error ? error.message : String(error)),
          );
        }),
      );
    },
    withhold: (network, why) => void withheld.set(network, why),
    last: (network) => last.get(network),
    withheld: (network) => withheld.get(network),
  };
}

function signedAttestation(
  network: string,
  { at, height, hash, clauses }: AttestationReport,
  { id, epoch, key, validSeconds }: AttesterDeps,
): object {
  const attestation = attestationDocument.normal({
    epoch,
    network,
    height: BigInt(height),
    blockHash: fromHex(hash.replace(/^0x/, '')),
    by: id,
    issuedAt: BigInt(Math.floor(at / 1000)),
    validSeconds,
    clauses,
  });
  const digest = attestationDocument.digest(attestation, (bytes) =>
    createHash('sha256').update(bytes).digest(),
  );
  const signature = new Uint8Array(sign(null, digest, key));
  return {
    document: attestationDocument.toJson(attestation),
    signatures: signaturesToJson([{ kind: 'key', by: id, signature }]),
  };
}
