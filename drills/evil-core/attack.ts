import { honestPsbt, orderJson } from '../../signer/test/quorum.ts';
import { LIMITS, drain, pairOf, payBy, theft, windowBound, type Drill } from '../rig.ts';

export const drill: Drill = {
  name: 'evil-core',
  capability: 'an evil release of core: asks any signer for anything, and decides who reaches whom',
  control:
    'each signer keeps the windows of its own policy, and checks every input, output, fee and order itself',
  bound: windowBound(),
  attack: async (field) => {
    const { manifest } = field.quorum;
    const honest = theft(field);
    const paid = { ...honest, orders: [orderJson({ amount: honest.orders[0]?.amount ?? '' })] };
    // An order of somebody else whose output pays the thief.
    await payBy(field, paid, pairOf(field), honestPsbt(manifest, honest));
    // All of a coin as fee; more than an order may be; an order whose time is over.
    await payBy(
      field,
      { coins: theft(field).coins, orders: [orderJson({ destination: field.thief, amount: '1000' })] },
      pairOf(field),
    );
    await payBy(field, theft(field, LIMITS.order + 1n), pairOf(field));
    const late = theft(field);
    await payBy(
      field,
      { ...late, orders: late.orders.map((order) => ({ ...order, expiry: '1' })) },
      pairOf(field),
    );
    // One order out of two coins that do not conflict.
    const once = theft(field);
    await payBy(field, once, pairOf(field));
    await payBy(field, { ...theft(field), orders: once.orders }, pairOf(field));
    await drain(field);
  },
};
