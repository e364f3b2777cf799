/**
 * A process of ours that asks its parent before and after each of its effects whether it may go on:
 * `node mortal.ts pipeline CONFIG` or `node mortal.ts watcher CONFIG NETWORK`, with an IPC channel. Between the
 * question and the answer it stands still, so that whatever is killed meanwhile, itself included, dies at exactly
 * that instant. Before a commit means: every statement is done, only the COMMIT is missing.
 */
import { flushCompileCache } from 'node:module';
import { commitTo, type Commit, type Database } from '../../db/db.ts';
import { realEffects, type Effects } from '../effects.ts';
import { runPipeline } from '../run-pipeline.ts';
import { runWatcher } from '../run-watcher.ts';
import type { Said, Side } from './kill-points.ts';

const [what, path, network] = process.argv.slice(2);
const url = process.env['PORTCULLIS_DATABASE_URL'];
if (path === undefined || url === undefined || !process.send) process.exit(2);
// The parent is gone: nobody is left to say when to go on.
process.on('disconnect', () => process.exit(3));
let asked = 0;
const waiting = new Map<number, () => void>();
process.on('message', (id: number) => {
  waiting.get(id)?.();
  waiting.delete(id);
});
if (what === 'watcher' && network !== undefined) {
  await runWatcher({ path, network, url, commitOf: mortalCommit });
  process.removeAllListeners('disconnect');
  process.disconnect?.();
} else {
  await runPipeline(path, url, mortalEffects);
}

function say(said: Said): void {
  process.send?.(said);
}

function mayGoOn(side: Side, name: string): Promise<void> {
  asked += 1;
  const id = asked;
  return new Promise((resolve) => {
    waiting.set(id, resolve);
    say({ kind: 'point', id, side, name });
  });
}

/** A transaction that moved nothing leaves nothing: it is no effect. */
function mortalCommit(db: Database): Commit {
  const real = commitTo(db);
  say({ kind: 'up' });
  // Written at a clean end only, which this process will hardly have: the next life starts sooner.
  flushCompileCache();
  return async (name, work) => {
    let lasts = false;
    const result = await real(name, async (trx) => {
      const made = await work(trx);
      lasts = made !== 0;
      if (lasts) await mayGoOn('before', name);
      return made;
    });
    if (lasts) await mayGoOn('after', name);
    return result;
  };
}

function mortalEffects(db: Database): Effects {
  const real = realEffects(db);
  const round = async <Result>(name: string, effect: () => Promise<Result>): Promise<Result> => {
    await mayGoOn('before', name);
    // Whoever hears of a failure does not know whether it was done: that, too, is an instant to die at.
    const outcome = await Promise.allSettled([effect()]);
    await mayGoOn('after', name);
    if (outcome[0].status === 'rejected') throw outcome[0].reason;
    return outcome[0].value;
  };
  return {
    commit: mortalCommit(db),
    sign: (signer, request) => round('sign', () => real.sign(signer, request)),
    broadcast: (...all) => round('broadcast', () => real.broadcast(...all)),
    sendRawTransaction: (rpc, raw) => round('send', () => real.sendRawTransaction(rpc, raw)),
  };
}
