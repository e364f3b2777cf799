/** One operator's command key and core in other hands: limits are raised, then the wallet is drained. */
import { drain } from '../drain.ts';
import { WINDOW_BOUND, nextPolicy, note, propose, type Drill } from '../scene.ts';

export const drill: Drill = {
  name: 'raised-limits',
  capability: 'core, and one operator’s command key, which signs a policy a thousand times wider',
  control: 'only a quorum of operators loosens a policy, and only after its delay',
  bound: { BTC: WINDOW_BOUND },
  scene: {},
  honest: 'may-wait',
  unmeasured:
    'what signers sign stands in their journals, so nothing is unexplained until books are compared',
  attack: async (scene) => {
    const { policy, stack } = scene;
    const loose = nextPolicy(policy, {
      assets: policy.assets.map((rule) => ({
        ...rule,
        orderMax: rule.orderMax * 1000n,
        windows: rule.windows.map((window) => ({ ...window, valueMax: window.valueMax * 1000n })),
      })),
      fees: policy.fees.map((rule) => ({ ...rule, feeMax: rule.feeMax * 1000n })),
    });
    for (const answer of await propose(stack, loose))
      if (answer['ok'] !== true) note(scene, String(answer['code']));
    await drain(scene);
  },
};
