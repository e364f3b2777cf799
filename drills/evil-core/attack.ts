/** A release of core that is the thief’s: it asks signers for anything, and decides who reaches whom. */
import assert from 'node:assert/strict';
import { BTC, ask, outsideAddress } from '../../core/withdrawals/test/stack.ts';
import type { BitcoinPayRequest } from '../../signer/protocol/messages.ts';
import { changeOf, childRequest } from '../../signer/test/child.ts';
import { drain } from '../drain.ts';
import { askingAllBut, bent, cutOff, keepingBack, payBy, scriptOf } from '../evil.ts';
import { LIMITS, WINDOW_BOUND, manifestIn, type Drill, type Scene } from '../scene.ts';

export const drill: Drill = {
  name: 'evil-core',
  capability: 'an evil release of core: asks any signer for anything, and decides who reaches whom',
  control:
    'each signer keeps the windows of its own policy, and checks every input, output, fee and order itself',
  bound: { BTC: WINDOW_BOUND },
  scene: {},
  honest: 'may-wait',
  unmeasured:
    'what signers sign stands in their journals, so nothing is unexplained until books are compared',
  attack: async (scene) => {
    const first = await keptBack(scene, '0.1', []);
    const second = await keptBack(scene, '0.2', [first]);
    await alter(scene, first);
    await payTwice(scene, first, second);
    await bleed(scene, first);
    const ids = scene.stack.signers.all.map(({ id }) => id);
    let rejoin = (): void => {};
    try {
      // A pair for each bite; every other time nobody else reaches the pair.
      await drain(scene, async () => {
        rejoin();
        const left = ids[scene.roll(ids.length)] ?? '';
        rejoin = scene.roll(2) === 0 ? cutOff(scene, left) : () => {};
        return askingAllBut(scene, left);
      });
    } finally {
      rejoin();
    }
  },
};

/** What honest core would ask for an order of the victim’s, out of other coins than these requests have. */
async function keptBack(
  scene: Scene,
  amount: string,
  others: readonly BitcoinPayRequest[],
): Promise<BitcoinPayRequest> {
  const { stack, victim: customer } = scene;
  const seen: BitcoinPayRequest[] = [];
  scene.release(await keepingBack(scene, seen));
  const destination = await outsideAddress(stack);
  await ask(stack, { customer, asset: 'BTC', network: 'bitcoin', destination, amount });
  const numbers = new Set(others.flatMap(({ orders }) => orders.map(({ orderNumber }) => orderNumber)));
  const found = (): BitcoinPayRequest | undefined =>
    seen.find(
      ({ orders }) =>
        orders.some((order) => order.destination === destination) &&
        !orders.some(({ orderNumber }) => numbers.has(orderNumber)),
    );
  await scene.until('a request', async () => found() !== undefined);
  const request = found();
  assert.ok(request);
  return request;
}

/** The change, then the payment to the thief; all of the change as fee. */
async function alter(scene: Scene, request: BitcoinPayRequest): Promise<void> {
  const script = scriptOf(scene.thief);
  const isChange = (i: number): boolean => 'change' in (request.outputs[i] ?? {});
  await payBy(
    scene,
    bent(request, (output, i) => (isChange(i) ? { ...output, script } : output)),
  );
  await payBy(
    scene,
    bent(request, (output, i) => (isChange(i) ? output : { ...output, script })),
  );
  await payBy(
    scene,
    bent(request, (output, i) => (isChange(i) ? { ...output, value: 1000n } : output)),
  );
}

/** One order out of two coins that do not conflict, and the same signature asked for again. */
async function payTwice(scene: Scene, first: BitcoinPayRequest, second: BitcoinPayRequest): Promise<void> {
  await payBy(scene, first);
  await payBy(scene, first);
  const at = second.outputs.findIndex((claim) => 'order' in claim);
  const from = first.orders[0];
  assert.ok(from !== undefined && second.orders.length === 1);
  const pays = (request: BitcoinPayRequest): BitcoinPayRequest => ({
    ...request,
    orders: [from],
    outputs: request.outputs.map((claim, i) => (i === at ? { order: from.orderNumber } : claim)),
    assertions: [],
  });
  // What the first order is less goes to the change, so that the fee is an honest one.
  const less = BigInt(second.orders[0]?.amount ?? 0) - BigInt(from.amount);
  const moved = bent(second, ({ script, value }, i) =>
    i === at
      ? { script: scriptOf(from.destination), value: BigInt(from.amount) }
      : { script, value: value + less },
  );
  await payBy(scene, pays(moved));
}

/** Children of the payment that give more of our change to the miner each time. */
async function bleed(scene: Scene, parent: BitcoinPayRequest): Promise<void> {
  const manifest = manifestIn(scene.stack);
  const at = parent.outputs.findIndex((claim) => 'change' in claim);
  const claim = parent.outputs[at];
  assert.ok(claim !== undefined && 'change' in claim);
  const coin = changeOf(parent, at, claim.change);
  for (const fee of [10_000n, 50_000n, 90_000n, LIMITS.fees, BTC / 2n])
    await payBy(scene, childRequest(manifest, coin, { index: claim.change, value: coin.value - fee }));
}
