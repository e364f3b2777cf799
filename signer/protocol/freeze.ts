/** Freeze and unfreeze: anyone in the roster stops a scope at once; only a quorum starts it again. */
import { MalformedError } from './canonical.ts';
import {
  bytesField,
  documentOf,
  list,
  sentenceField,
  textField,
  u32Field,
  u64Field,
  type DocumentValue,
} from './document.ts';
import { ASSET, NETWORK, SIGNER_ID, type TextRule } from './json.ts';

/** Everything, a network (CAIP-2) or an asset (CAIP-19). */
export const EVERYTHING = 'everything';
export const SCOPE: TextRule = {
  lengthMax: ASSET.lengthMax,
  pattern: new RegExp(`^${EVERYTHING}$|${NETWORK.pattern.source}|${ASSET.pattern.source}`),
};
const REASON_LENGTH_MAX = 280;
/** More than all who may freeze, each every asset of a large exchange. */
export const FREEZES_MAX = 4096;
const SUSPENDED_MAX = 64;

export const freezeDocument = documentOf('portcullis/freeze/1', {
  /** The wallet epoch whose signers stop. */
  epoch: u32Field(),
  /** Random: by it the freeze is lifted, and a lifted one never takes effect again. */
  id: bytesField(16),
  scope: textField(SCOPE),
  reason: sentenceField(REASON_LENGTH_MAX),
  /** Operator or sentinel. */
  by: textField(SIGNER_ID),
  /** Unix seconds. */
  issuedAt: u64Field,
});
export type Freeze = DocumentValue<typeof freezeDocument>;

export const unfreezeDocument = documentOf(
  'portcullis/unfreeze/1',
  {
    epoch: u32Field(),
    /** Freezes that end; those that a signer has not seen yet will not begin. */
    freezes: list(bytesField(16), { max: FREEZES_MAX, isSet: true }),
    /** Operators and sentinels whose power to freeze and tighten ends with it. */
    suspend: list(textField(SIGNER_ID), { max: SUSPENDED_MAX, isSet: true }),
    /** Those who have it again. */
    restore: list(textField(SIGNER_ID), { max: SUSPENDED_MAX, isSet: true }),
    reason: sentenceField(REASON_LENGTH_MAX),
    /** Unix seconds; no signer takes it later. */
    expiry: u64Field,
  },
  ({ freezes, suspend, restore }) => {
    if (freezes.length + suspend.length + restore.length === 0)
      throw new MalformedError('unfreeze: it changes nothing');
    if (suspend.some((id) => restore.includes(id)))
      throw new MalformedError('unfreeze: somebody is suspended and restored');
  },
);
export type Unfreeze = DocumentValue<typeof unfreezeDocument>;

/** Whether a freeze of this scope stops payments of an asset. */
export const isInScope = (scope: string, { network, asset }: { network: string; asset: string }): boolean =>
  scope === EVERYTHING || scope === network || scope === asset;
