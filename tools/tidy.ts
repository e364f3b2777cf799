/** The house rules that no linter knows, as data and pure functions over the text of the files. */

export interface SourceFile {
  /** Path from the repository's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** Modules of core in the flow of the data. A module imports only what stands to its left. */
export const CORE_ORDER = [
  'config',
  'db',
  'audit',
  'controls',
  'chain',
  'ledger',
  'customers',
  'deposits',
  'risk',
  'signing',
  'spends',
  'withdrawals',
  'treasury',
  'http',
  'processes',
] as const;

/** A package's name, as opposed to a path of ours. */
const PACKAGE =
  /^(?!(?:lib|contracts|signer|core|sentinel|evacuate|blast-radius|client|cli|world|bench|drills|tools)\/)[@a-z]/;

/** What one folder may import beside its own files. The longest matching folder rules. */
const MAY_IMPORT: Readonly<Record<string, readonly RegExp[]>> = {
  'lib/': [],
  'signer/protocol/': [],
  'signer/vault/': [
    /^signer\/protocol\//,
    /^@noble\//,
    /^@scure\//,
    /^node:(fs|path|process|crypto|readline|stream|buffer|util|assert)/,
  ],
  'signer/gate/': [/^signer\/protocol\//, /^signer\/witness\/witness\.ts$/, /^node:/],
  // It reads what strangers' transactions say: it holds no key, and shares nothing with the vault.
  'signer/witness/': [/^signer\/protocol\//, /^node:/],
  // A program beside the vault, which loads native code of the token's maker: it needs no package.
  'signer/hsm/': [/^signer\/protocol\//, /^node:/],
  // Programs beside the vault, on the signer's host; the vault cannot even read the two packages that are theirs alone.
  'signer/ceremony/': [
    /^signer\/(protocol|vault)\//,
    /^@noble\//,
    /^@scure\//,
    /^age-encryption$/,
    /^shamir-secret-sharing$/,
    /^node:/,
  ],
  'core/': [/^lib\//, /^signer\/protocol\//, /^node:/, /^contracts\/abi\//, PACKAGE],
  // It shares no code with core: what deceives one does not deceive the other.
  'sentinel/': [
    /^signer\/protocol\//,
    /^blast-radius\/blast-radius\.ts$/,
    /^evacuate\/tighten\.ts$/,
    /^client\/signer\.ts$/,
    /^contracts\/abi\//,
    /^node:/,
    PACKAGE,
  ],
  // Of the journals and the chains alone; core has no part in it.
  'blast-radius/': [/^signer\/protocol\//, /^contracts\/abi\//, /^node:crypto$/, PACKAGE],
  // It works when core does not, and when nobody trusts core any more.
  'evacuate/': [/^signer\/protocol\//, /^contracts\/abi\//, /^lib\//, /^node:/, PACKAGE],
  // The ceremony is checked by the same code at every party's machine.
  'cli/': [
    /^lib\//,
    /^evacuate\/(evm|bitcoin)\.ts$/,
    /^blast-radius\/blast-radius\.ts$/,
    /^client\//,
    /^signer\/(protocol|ceremony)\//,
    /^core\/config\/config\.ts$/,
    PACKAGE,
  ],
};

/** Faces that a folder of core shows to its neighbours. */
const FACES: Readonly<Record<string, readonly string[]>> = {
  chain: ['core/chain/chain.ts', 'core/chain/bitcoin/bitcoin.ts', 'core/chain/evm/evm.ts'],
  db: ['core/db/db.ts', 'core/db/tables.ts', 'core/db/migrate.ts'],
};

/** Who writes a table. Everybody else only reads it. */
export const TABLE_OWNERS: Readonly<Record<string, string>> = {
  event: 'audit',
  gate: 'controls',
  halt: 'controls',
  chain_block: 'chain',
  chain_tip: 'chain',
  watched: 'chain',
  receipt: 'chain',
  bitcoin_coin: 'chain',
  evm_payout: 'chain',
  evm_delivery: 'chain',
  evm_call: 'chain',
  evm_attempt: 'chain',
  account: 'ledger',
  posting: 'ledger',
  leg: 'ledger',
  entry: 'ledger',
  lot: 'ledger',
  hold: 'ledger',
  credited_deposit: 'ledger',
  customer: 'customers',
  deposit_address: 'customers',
  credential: 'customers',
  deposit: 'deposits',
  deposit_step: 'deposits',
  stray: 'deposits',
  deposit_cursor: 'deposits',
  signer_answer: 'signing',
  spend: 'spends',
  spend_order: 'spends',
  spend_coin: 'spends',
  spend_attempt: 'spends',
  quote: 'withdrawals',
  withdrawal: 'withdrawals',
  withdrawal_step: 'withdrawals',
  sweep: 'treasury',
  sweep_item: 'treasury',
  booked_delivery: 'treasury',
  unswept: 'treasury',
  treasury_cursor: 'treasury',
  api_key: 'http',
  idempotency_key: 'http',
};

/** Everything in these files that breaks a rule, one line each. */
export function violations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => [
    ...forbiddenWords(file),
    ...(file.path.endsWith('.ts')
      ? [...imports(file), ...faces(file), ...impurities(file), ...foreignWrites(file)]
      : []),
  ]);
}

const isTest = (path: string): boolean => /\.test\.ts$|\/test\//.test(path);

function imports(file: SourceFile): string[] {
  if (isTest(file.path)) return [];
  const rule = longestFolder(file.path);
  if (rule === undefined) return [];
  return specifiers(file).flatMap((target) => {
    if (target.startsWith(rule) && !rule.startsWith('core/')) return [];
    if (target.startsWith('core/') && file.path.startsWith('core/')) return coreEdge(file.path, target);
    const allowed = MAY_IMPORT[rule] ?? [];
    return allowed.some((pattern) => pattern.test(target)) ? [] : [`${file.path}: may not import ${target}`];
  });
}

function coreEdge(from: string, to: string): string[] {
  const [, source = ''] = from.split('/');
  const [, target = ''] = to.split('/');
  if (source === target) return [];
  const order: readonly string[] = CORE_ORDER;
  if (order.indexOf(target) < 0 || order.indexOf(source) < 0)
    return [`${from}: ${target} is no module of core`];
  if (order.indexOf(target) > order.indexOf(source))
    return [`${from}: ${source} may not import ${target}, which stands to its right`];
  if (source === 'withdrawals' && target === 'deposits')
    return [`${from}: deposits and withdrawals never meet`];
  const allowed = FACES[target] ?? [`core/${target}/${target}.ts`];
  return allowed.includes(to) ? [] : [`${from}: imports ${to}, not the face of ${target}`];
}

/** A face has a story of its own: nothing but re-exports, and `export *`, are refused. */
function faces(file: SourceFile): string[] {
  const found: string[] = [];
  if (/^export \* from/m.test(file.text)) found.push(`${file.path}: export *`);
  if (/^export default/m.test(file.text)) found.push(`${file.path}: default export`);
  const statements = file.text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '').trim();
  if (
    statements !== '' &&
    statements
      .split(/;\s*/)
      .filter(Boolean)
      .every((part) => /^export (type )?\{[^}]*\} from/.test(part))
  ) {
    found.push(`${file.path}: a face of nothing but re-exports`);
  }
  return found;
}

/** Clock, randomness and environment are arguments below the mains. */
function impurities(file: SourceFile): string[] {
  const pure = /^(lib|core|sentinel|evacuate|blast-radius|signer\/(protocol|vault))\//.test(file.path);
  const main =
    /^core\/processes\/|^sentinel\/main\.ts$|^signer\/vault\/main\.ts$|^core\/db\/migrate\.ts$/.test(
      file.path,
    );
  if (!pure || main || isTest(file.path)) return [];
  const found = [
    ...file.text.matchAll(
      /\b(Date\.now\(|new Date\(\)|Math\.random\(|process\.env\b|performance\.now\(|crypto\.randomUUID)/g,
    ),
  ];
  return found.map((match) => `${file.path}: ${match[1]} below processes/`);
}

function foreignWrites(file: SourceFile): string[] {
  const module = /^core\/([a-z]+)\//.exec(file.path)?.[1];
  if (module === undefined || module === 'processes' || isTest(file.path)) return [];
  const kysely = file.text.matchAll(/\.(?:insertInto|updateTable|deleteFrom)\(\s*'([a-z_]+)'/g);
  const sql = file.text.matchAll(/\b(?:insert into|update(?! (?:of|set|on)\b)|delete from)\s+([a-z_]+)/g);
  return [...kysely, ...sql].flatMap(([, table = '']) => {
    const owner = TABLE_OWNERS[table];
    return owner === undefined || owner === module
      ? []
      : [`${file.path}: writes ${table}, which belongs to ${owner}`];
  });
}

/** Words that may not land: they rot, or they carry a machine with them. */
function forbiddenWords(file: SourceFile): string[] {
  if (file.path.startsWith('tools/tidy') || file.path === 'STYLE.md') return [];
  const words: [RegExp, string][] = [
    [/\b(FIXME|XXX)\b/, 'FIXME never lands'],
    [/\bTODO\b(?!.*#\d)/, 'TODO without where it is tracked'],
    [/(^|[^a-z])\/(root|work|home)\//, 'a path of some machine'],
    [/"resolved":/, 'a lockfile with download addresses'],
    [/(registry\.npmjs\.org|deb\.debian\.org)/, 'a registry host'],
    [/\b(it|test|describe)\.(skip|only)\(/, 'a skipped or lonely test'],
  ];
  return words.flatMap(([pattern, why]) => (pattern.test(file.text) ? [`${file.path}: ${why}`] : []));
}

function longestFolder(path: string): string | undefined {
  return Object.keys(MAY_IMPORT)
    .filter((folder) => path.startsWith(folder))
    .toSorted((a, b) => b.length - a.length)[0];
}

/** What a file imports: paths from the root for our own files, names for packages. */
function specifiers(file: SourceFile): string[] {
  const found = file.text.matchAll(
    /^\s*(?:import|export)[^'";]*?from\s*'([^']+)'|^\s*import\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm,
  );
  return [...found].map((match) => resolve(file.path, match[1] ?? match[2] ?? match[3] ?? ''));
}

function resolve(from: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier;
  const parts = from.split('/').slice(0, -1);
  for (const step of specifier.split('/')) {
    if (step === '..') parts.pop();
    else if (step !== '.') parts.push(step);
  }
  return parts.join('/');
}
