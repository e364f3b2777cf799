import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import { Client } from 'pg';

const FOLDER = fileURLToPath(new URL('../migrations', import.meta.url));

/** Everything in the folder that is no migration: `NNNN_name.sql` is one. */
const NOT_A_MIGRATION = String.raw`(?!\d{4}_[a-z0-9_]+\.sql$).*`;

/** A migration failed; nothing of this run was applied. `cause` is PostgreSQL's error. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
  readonly code = 'MIGRATION_FAILED';
  readonly retryable = false;
}

/**
 * Applies every migration of `folder` (plain SQL, `NNNN_name.sql`, forward only) that the database does not
 * have yet, all in one transaction; waits while another process migrates. Returns the names applied, in order.
 * Throws MigrationError when a statement fails or an earlier number appears after a later one was applied.
 */
export async function migrate(url: string, folder: string = FOLDER): Promise<string[]> {
  const messages: string[] = [];
  const note = (message: string) => void messages.push(message);
  // Ours and not the runner's, which leaves its own open when it refuses.
  const client = new Client({ connectionString: url });
  client.on('error', (error) => note(error.message));
  try {
    await client.connect();
    const applied = await runner({
      dbClient: client,
      dir: folder,
      ignorePattern: NOT_A_MIGRATION,
      direction: 'up',
      migrationsTable: 'pgmigrations',
      singleTransaction: true,
      advisoryLockMode: 'wait',
      logger: { info: note, warn: note, error: note },
    });
    return applied.map((migration) => migration.name);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new MigrationError(`Migration failed: ${reason}\n${messages.slice(-3).join('\n')}`, { cause });
  } finally {
    await client.end();
  }
}
