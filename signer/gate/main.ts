/**
 * The gate's process: `node signer/gate/main.ts CONFIG_FILE`. Writes one JSON line when it listens. Ends with 1
 * when the vault dies: a signer that died is looked at by a person, not restarted in silence.
 */
import { ConfigError, readGateConfig } from './config.ts';
import { startGate } from './gate.ts';
import { GateError } from './gate-error.ts';
import { openWitness } from '../witness/witness.ts';

await main(process.argv.slice(2));

async function main([path, ...rest]: readonly string[]): Promise<void> {
  if (path === undefined || rest.length > 0) {
    process.stderr.write('usage: gate/main.ts CONFIG_FILE\n');
    process.exitCode = 2;
    return;
  }
  try {
    const config = readGateConfig(path);
    const witness = openWitness({ nodes: config.witness, nowMs: () => Date.now() });
    const gate = await startGate(config, witness, (why) => {
      process.stderr.write(`signer ${config.signer}: ${why}\n`);
      process.exit(1);
    });
    const stop = (): void => {
      void gate.stop().then(() => process.exit(0));
    };
    process.once('SIGTERM', stop);
    process.once('SIGINT', stop);
    const listening = { host: gate.host, port: gate.port };
    process.stdout.write(
      `${JSON.stringify({ signer: config.signer, listening, vaultPid: gate.vaultPid })}\n`,
    );
  } catch (error) {
    const known = error instanceof ConfigError || error instanceof GateError;
    process.stderr.write(`${known || error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}
