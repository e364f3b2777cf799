// Proves that a terminal is told of an answer that takes long, that the line is gone afterwards, and that neither a
// quick answer nor a file shows anything.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { makeWaiting } from './waiting.ts';

const times = { quietMs: 40, everyMs: 20 };

function terminal(isTTY: boolean) {
  const said: string[] = [];
  return { said, isTTY, write: (text: string) => said.push(text) };
}

test('a long wait is told and its line cleared; a quick one is not', async () => {
  const screen = terminal(true);
  const waiting = makeWaiting(screen, times);
  waiting.begin();
  waiting.end();
  assert.deepEqual(screen.said, []);
  waiting.begin();
  while (screen.said.length < 2) await delay(5);
  waiting.end();
  assert.match(screen.said[0] ?? '', /waiting for an answer/);
  assert.equal(screen.said.at(-1), '\r\u001b[K');
  const { length } = screen.said;
  await delay(80);
  assert.equal(screen.said.length, length, 'nothing after the end');
});

test('what is no terminal sees nothing', async () => {
  const file = terminal(false);
  const waiting = makeWaiting(file, times);
  waiting.begin();
  await delay(100);
  waiting.end();
  assert.deepEqual(file.said, []);
});
