/** Follows one network: `node core/processes/watcher.ts CONFIG NETWORK`, PORTCULLIS_DATABASE_URL in the environment. */
import { commitTo } from '../db/db.ts';
import { runWatcher } from './run-watcher.ts';

const [configPath, networkId] = process.argv.slice(2);
const databaseUrl = process.env['PORTCULLIS_DATABASE_URL'];
if (configPath === undefined || networkId === undefined || databaseUrl === undefined) {
  process.stderr.write(
    'usage: PORTCULLIS_DATABASE_URL=postgres://… node core/processes/watcher.ts CONFIG NETWORK\n',
  );
  process.exit(2);
}
await runWatcher({ path: configPath, network: networkId, url: databaseUrl, commitOf: commitTo });
