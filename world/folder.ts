import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** One system a folder: its data, its secrets, its logs, and the process that runs it. */
export interface WorldFolder {
  readonly path: string;
  readonly at: (...parts: string[]) => string;
  readonly release: () => void;
}

export class WorldBusy extends Error {
  override readonly name = 'WorldBusy';
}

/** Takes the folder for this process, emptied first if `fresh`. Throws WorldBusy while another one runs there. */
export function takeFolder(path: string, fresh: boolean): WorldFolder {
  const lock = join(path, 'pid');
  const owner = runningOwner(lock);
  if (owner !== undefined)
    throw new WorldBusy(`A system runs in ${path} already (process ${owner}). Stop it first.`);
  if (fresh) rmSync(path, { recursive: true, force: true });
  mkdirSync(join(path, 'log'), { recursive: true });
  mkdirSync(join(path, 'secrets'), { recursive: true, mode: 0o700 });
  writeFileSync(lock, `${process.pid}\n`);
  return {
    path,
    at: (...parts) => join(path, ...parts),
    release: () => {
      rmSync(lock, { force: true });
    },
  };
}

/** The process that runs a system in this folder, or undefined. */
export function runningOwner(lock: string): number | undefined {
  if (!existsSync(lock)) return undefined;
  const pid = Number(readFileSync(lock, 'utf8'));
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  try {
    process.kill(pid, 0);
    return pid;
  } catch {
    return undefined;
  }
}
