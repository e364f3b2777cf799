/** A copy of the tree with a control removed by its kept patch: shipped code has no switch. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = resolve(fileURLToPath(new URL('..', import.meta.url)));
/** What is not source: linked, or left out. */
const LINKED = ['node_modules', '.cache'];
const LEFT_OUT = new Set([...LINKED, '.git', '.portcullis']);

export const patchOf = (name: string): string => join(ROOT, 'drills', name, 'control-off.patch');

/** Gives what `act` gives for the copy, which is removed afterwards. Throws when the patch fits no more. */
export async function withoutControl<Result>(
  name: string,
  act: (tree: string) => Promise<Result>,
): Promise<Result> {
  const tree = mkdtempSync(join(tmpdir(), 'portcullis-control-off-'));
  try {
    // The signer's packages are copied, because its vault may read nothing behind a link.
    const isSource = (path: string): boolean => {
      const parts = relative(ROOT, path).split(sep);
      return !LEFT_OUT.has(parts[0] ?? '') && !(parts[0] === 'tools' && parts[2] === 'node_modules');
    };
    cpSync(ROOT, tree, { recursive: true, filter: isSource });
    for (const link of LINKED) symlinkSync(join(ROOT, link), join(tree, link));
    execFileSync('git', ['apply', '--whitespace=nowarn', patchOf(name)], {
      cwd: tree,
      stdio: 'pipe',
      env: { ...process.env, GIT_CEILING_DIRECTORIES: dirname(tree) },
    });
    return await act(tree);
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}
