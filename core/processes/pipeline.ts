/** Moves deposits, withdrawals and sweeps: `node core/processes/pipeline.ts CONFIG`, PORTCULLIS_DATABASE_URL in the environment. */
import { realEffects } from './effects.ts';
import { runPipeline } from './run-pipeline.ts';

const [configPath] = process.argv.slice(2);
const databaseUrl = process.env['PORTCULLIS_DATABASE_URL'];
if (configPath === undefined || databaseUrl === undefined) {
  process.stderr.write(
    'usage: PORTCULLIS_DATABASE_URL=postgres://… node core/processes/pipeline.ts CONFIG\n',
  );
  process.exit(2);
}
await runPipeline(configPath, databaseUrl, realEffects);
