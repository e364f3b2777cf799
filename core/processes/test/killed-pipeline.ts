/**
 * The pipeline of a test, which ends itself by SIGKILL round its effects: `node … CONFIG DEATHS`. In each life it
 * dies before, and in the next after, the first kind of effect that no earlier life died at; DEATHS is the file
 * that remembers. A life that finds nothing new to die at goes on.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { realEffects, type Effects } from '../effects.ts';
import { runPipeline } from '../run-pipeline.ts';
import type { Database } from '../../db/db.ts';

const [configPath, deathsFile] = process.argv.slice(2);
const databaseUrl = process.env['PORTCULLIS_DATABASE_URL'];
if (configPath === undefined || deathsFile === undefined || databaseUrl === undefined) process.exit(2);
const deaths = new Set(existsSync(deathsFile) ? readFileSync(deathsFile, 'utf8').split('\n') : []);
await runPipeline(configPath, databaseUrl, (db) => mortal(db, deathsFile));

function mortal(db: Database, file: string): Effects {
  const real = realEffects(db);
  const die = (at: string): void => {
    if (deaths.has(at)) return;
    appendFileSync(file, `${at}\n`);
    process.kill(process.pid, 'SIGKILL');
  };
  const round = async <Result>(name: string, effect: () => Promise<Result>): Promise<Result> => {
    die(`before ${name}`);
    const result = await effect();
    die(`after ${name}`);
    return result;
  };
  return {
    commit: (name, work) => round(`commit ${name}`, () => real.commit(name, work)),
    sign: (signer, request) => round('sign', () => real.sign(signer, request)),
    broadcast: (rpc, raw) => round('broadcast', () => real.broadcast(rpc, raw)),
    sendRawTransaction: (rpc, raw) => round('send', () => real.sendRawTransaction(rpc, raw)),
  };
}
