/** One attack on one seed, in whichever tree this file stands: prints what was lost. */
import assert from 'node:assert/strict';
import { run, type Drill } from './rig.ts';

const [name = '', seed = ''] = process.argv.slice(2);
const { drill } = (await import(`./${name}/attack.ts`)) as { drill: Drill };
assert.equal(drill.name, name);
const { loss, seconds, refusals } = await run(drill, Number(seed));
const { capability, control, bound } = drill;
process.stdout.write(
  `${JSON.stringify({ name, capability, control, bound: `${bound}`, loss: `${loss}`, seconds, refusals })}\n`,
);
