// Compiles the contracts and writes contracts/abi/*.ts: all that TypeScript ever imports of a contract.
// `node contracts/generate-abi.ts` writes, `node contracts/generate-abi.ts --check` fails when they are stale.

import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { runForge } from './forge.ts';

interface Source {
  readonly contract: string;
  /** Path of the compiler's answer below contracts/, or a module of an npm package. */
  readonly artifact: string;
  readonly origin: string;
}

const release = 'out/release';
const own = (contract: string, file = contract): Source => ({
  contract,
  artifact: `${release}/${file}.sol/${contract}.json`,
  origin: 'compiled from contracts/src',
});
const safe = (contract: string, folder: string): Source => ({
  contract,
  artifact: `@safe-global/safe-smart-account/build/artifacts/contracts/${folder}${contract}.sol/${contract}.json`,
  origin: 'as compiled in @safe-global/safe-smart-account 1.5.0, LGPL-3.0-only',
});

const sources: readonly Source[] = [
  own('HotVault'),
  own('VaultRegistry'),
  own('DepositFactory'),
  own('Deposit'),
  { ...own('TimelockController'), origin: 'compiled from @openzeppelin/contracts 5.7.0, MIT' },
  own('TestUSDT'),
  own('TestUSDC'),
  own('TestUSDCProxy', 'TestUSDC'),
  own('TestContractWallet'),
  safe('Safe', ''),
  safe('SafeProxyFactory', 'proxies/'),
  safe('CompatibilityFallbackHandler', 'handler/'),
];

/** What contracts/abi must hold: file name to text. Compiles everything anew, so that nothing stale counts. */
export async function generateAbi(
  env: Readonly<Record<string, string | undefined>>,
): Promise<ReadonlyMap<string, string>> {
  // Without the tests and without a cache: the optimizer's choices depend on what is compiled together.
  const build = await runForge(
    ['build', '--force', '--skip', 'test', '--out', release, '--cache-path', 'cache/release'],
    { env },
  );
  if (build.exitCode !== 0) throw new Error(`forge build failed:\n${build.output}`);
  const files = new Map<string, string>();
  for (const source of sources) files.set(`${kebab(source.contract)}.ts`, await render(source));
  return files;
}

/** The names of files in contracts/abi that differ from what the sources give. */
export async function staleAbi(
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly string[]> {
  const wanted = await generateAbi(env);
  const folder = abiFolder();
  const present = existsSync(folder) ? await readdir(folder) : [];
  const stale = present.filter((name) => !wanted.has(name));
  for (const [name, text] of wanted) {
    const found = present.includes(name) ? await readFile(join(folder, name), 'utf8') : undefined;
    if (found !== text) stale.push(name);
  }
  return stale;
}

async function main(args: readonly string[]): Promise<void> {
  if (args.includes('--check')) {
    const stale = await staleAbi(process.env);
    if (stale.length === 0) return;
    process.stderr.write(`stale: ${stale.join(', ')}. Run \`node contracts/generate-abi.ts\`\n`);
    process.exitCode = 1;
    return;
  }
  const files = await generateAbi(process.env);
  await rm(abiFolder(), { recursive: true, force: true });
  await mkdir(abiFolder(), { recursive: true });
  for (const [name, text] of files) await writeFile(join(abiFolder(), name), text);
  process.stdout.write(`${files.size} files in contracts/abi\n`);
}

async function render(source: Source): Promise<string> {
  const path = source.artifact.startsWith('@')
    ? createRequire(import.meta.url).resolve(source.artifact)
    : join(import.meta.dirname, source.artifact);
  const artifact = JSON.parse(await readFile(path, 'utf8')) as {
    abi: unknown[];
    bytecode: string | { object: string };
  };
  const bytecode = typeof artifact.bytecode === 'string' ? artifact.bytecode : artifact.bytecode.object;
  if (!/^0x([0-9a-f]{2})+$/.test(bytecode)) throw new Error(`${source.contract}: unlinked or missing code`);
  const name = source.contract[0]?.toLowerCase() + source.contract.slice(1);
  return [
    `// ${source.contract}, ${source.origin}. Written by contracts/generate-abi.ts; not edited by hand.`,
    '',
    `export const ${name}Abi = ${JSON.stringify(artifact.abi, null, 2)} as const;`,
    '',
    `export const ${name}Bytecode: \`0x\${string}\` =`,
    `  '${bytecode}';`,
    '',
  ].join('\n');
}

/** HotVault → hot-vault, TestUSDCProxy → test-usdc-proxy. */
function kebab(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1-$2')
    .toLowerCase();
}

function abiFolder(): string {
  return join(import.meta.dirname, 'abi');
}

if (import.meta.main) await main(process.argv.slice(2));
