import { checkApprovals } from '../../signer/ceremony/approvals.ts';
import { manifestHash, spoken } from '../../signer/ceremony/pinned.ts';
import { manifestDocument, type Manifest } from '../../signer/protocol/manifest.ts';
import { signaturesToJson } from '../../signer/protocol/signatures.ts';
import { askPasskey } from '../passkey-page/passkey-page.ts';

const PAGE_OPEN_MS = 10 * 60_000;

/** The manifest with this operator's passkey under it, as one part for assembling. Rejects as askPasskey does. */
export async function signedManifest(manifest: Manifest, by: string): Promise<object> {
  const digest = manifestHash(manifest);
  const lines = linesOf(manifest);
  const signature = await askPasskey({
    origin: manifest.operatorOrigin,
    by,
    title: 'Sign the manifest',
    lines,
    bytes: manifestDocument.encode(manifest),
    check: (one) => checkApprovals([one], { digest, manifest }),
    // On stderr with --json too: nobody could sign without it.
    tell: (url) =>
      void process.stderr.write(
        `${lines.join('\n')}\n${spoken(digest)}\nOpen this page and compare the groups:\n${url}\n`,
      ),
    timeoutMs: PAGE_OPEN_MS,
  });
  return { document: manifestDocument.toJson(manifest), signatures: signaturesToJson([signature]) };
}

const names = (all: readonly { readonly id: string }[]): string => all.map(({ id }) => id).join(', ');

function linesOf({ epoch, threshold, signers, operators, operatorQuorum, ...rest }: Manifest): string[] {
  const networks = [...rest.bitcoin, ...rest.evm].map(({ network }) => network);
  return [
    `Epoch ${epoch}: payments need ${threshold} of the signers ${names(signers)}`,
    `Loosening needs ${operatorQuorum} of the operators ${names(operators)}`,
    `Sentinels: ${names(rest.sentinels) || 'none'}`,
    `Networks: ${networks.join(', ')}`,
  ];
}
