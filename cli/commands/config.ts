import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { listingsOf, parseConfig, type Config } from '../../core/config/config.ts';
import { UsageError } from '../connection.ts';
import { makeOutput, table } from '../output.ts';

/** Works on a file alone: a configuration is checked before any process starts with it. */
export function configCommands(program: Command): void {
  program
    .command('config')
    .description('configuration files')
    .command('check <file>')
    .description('is it whole, and what does it list; exits 1 when a process would not start with it')
    .action((file: string, _options: object, command: Command) => {
      const { json } = command.optsWithGlobals<{ json?: boolean }>();
      const output = makeOutput(json ?? false, (text) => process.stdout.write(text));
      const config = read(file);
      const listings = listingsOf(config).map((listing) => ({
        asset: listing.asset.id,
        network: listing.network.id,
        asset_id: listing.assetId,
      }));
      output.show({ valid: true, epoch: config.epoch, listings }, () =>
        [
          table(
            ['asset', 'network', 'CAIP-19'],
            listings.map((line) => [line.asset, line.network, line.asset_id]),
            '',
          ),
          `✓ ${file} is whole: epoch ${config.epoch}, ${config.signers.length} signers`,
        ].join('\n'),
      );
    });
}

/** Throws ConfigError with the key that is wrong. */
function read(file: string): Config {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new UsageError(`${file} cannot be read.`, { cause });
  }
  return parseConfig(text);
}
