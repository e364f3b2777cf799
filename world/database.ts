import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { escapeIdentifier, escapeLiteral, type Pool } from 'pg';
import { openPool } from '../core/db/db.ts';
import { migrate } from '../core/db/migrate.ts';
import type { WorldFolder } from './folder.ts';
import type { Postgres } from './parts/postgres.ts';

/** Processes of core that write, each with a role of its own (core/migrations/0011_roles.sql), and who only reads. */
const ROLES = ['api', 'watcher', 'pipeline', 'sentinel'] as const;
export type Role = (typeof ROLES)[number];

export interface LocalDatabase {
  /** The superuser's. */
  readonly url: string;
  readonly urlOf: Readonly<Record<Role, string>>;
}

const DATABASE = 'portcullis';

/** The migrated database of the local system, and a URL with its own password for each role. */
export async function openLocalDatabase(postgres: Postgres, folder: WorldFolder): Promise<LocalDatabase> {
  const server = openPool(postgres.url, 1);
  const { rowCount } = await server.query('select 1 from pg_database where datname = $1', [DATABASE]);
  if (rowCount === 0) await server.query(`create database ${DATABASE}`);
  const url = postgres.urlOf(DATABASE);
  await migrate(url);
  const passwords = await passwordsIn(folder);
  for (const role of ROLES) await letIn(server, `portcullis_${role}`, passwords[role]);
  await server.end();
  const urlOf = (role: Role): string => {
    const own = new URL(url);
    own.username = `portcullis_${role}`;
    own.password = passwords[role];
    return own.href;
  };
  return {
    url,
    urlOf: {
      api: urlOf('api'),
      watcher: urlOf('watcher'),
      pipeline: urlOf('pipeline'),
      sentinel: urlOf('sentinel'),
    },
  };
}

async function letIn(server: Pool, role: string, password: string): Promise<void> {
  await server.query(`alter role ${escapeIdentifier(role)} login password ${escapeLiteral(password)}`);
}

async function passwordsIn(folder: WorldFolder): Promise<Record<Role, string>> {
  const path = folder.at('secrets', 'database.json');
  if (!existsSync(path)) {
    const fresh = (): string => randomBytes(24).toString('hex');
    const made: Record<Role, string> = {
      api: fresh(),
      watcher: fresh(),
      pipeline: fresh(),
      sentinel: fresh(),
    };
    await writeFile(path, JSON.stringify(made), { mode: 0o600 });
  }
  return JSON.parse(readFileSync(path, 'utf8')) as Record<Role, string>;
}
