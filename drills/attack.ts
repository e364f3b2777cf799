/** One attack on one seed, in whichever tree this file stands: prints what was lost in one line of JSON. */
import assert from 'node:assert/strict';
import { play, type Drill } from './scene.ts';

const [name = '', seed = '', control = ''] = process.argv.slice(2);
const { drill } = (await import(`./${name}/attack.ts`)) as { drill: Drill };
assert.equal(drill.name, name);
const outcome = await play(drill, Number(seed), control === 'off');
const text = JSON.stringify(outcome, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value));
process.stdout.write(`${text}\n`);
