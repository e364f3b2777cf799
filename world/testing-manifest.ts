/** A signed manifest in a file for tests that need its wallets and networks, and nobody who signs. */
const ALICE = {
  id: 'alice',
  passkey: `02${'11'.repeat(32)}`,
  commandKey: '22'.repeat(32),
  guardian: `0x${'f'.repeat(40)}`,
};

/** `parts` is a manifest in JSON without its people; most of its signers hold each journal entry. */
export function testManifestText(parts: Readonly<Record<string, unknown>>): string {
  const people = {
    operators: [ALICE],
    operatorQuorum: 1,
    operatorOrigin: 'http://localhost:7391',
    customerOrigin: 'http://localhost:7392',
    sentinels: [],
  };
  const { signers } = parts;
  const journalCopies = Math.floor((Array.isArray(signers) ? signers.length : 0) / 2) + 1;
  const signatures = [{ kind: 'key', by: 'alice', signature: '33'.repeat(64) }];
  return JSON.stringify({
    document: { previous: '00'.repeat(32), journalCopies, ...people, ...parts },
    signatures,
  });
}
