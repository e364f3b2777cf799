import { createRequire } from 'node:module';
import { secp256k1 } from '@noble/curves/secp256k1.js';

/** The one operation on secp256k1 that deriving public children needs. */
export interface Curve {
  /** libsecp256k1 in C, or JavaScript that gives the same points about seven times slower. */
  readonly native: boolean;
  /** Compressed `publicKey` + tweak × G. The key may be given in 33 or, faster, in 65 bytes. */
  readonly tweakAdd: (publicKey: Uint8Array, tweak: Uint8Array) => Uint8Array;
  /** 65 bytes of a key in 33. Throws when it is no point of the curve. */
  readonly uncompress: (publicKey: Uint8Array) => Uint8Array;
  /** Whether a DER signature with a low s is good; false for anything that is none. */
  readonly verify: (signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array) => boolean;
}

interface Addon {
  readonly publicKeyTweakAdd: (publicKey: Uint8Array, tweak: Uint8Array, compressed: boolean) => Uint8Array;
  readonly publicKeyConvert: (publicKey: Uint8Array, compressed: boolean) => Uint8Array;
  readonly signatureImport: (der: Uint8Array) => Uint8Array;
  readonly ecdsaVerify: (compact: Uint8Array, digest: Uint8Array, publicKey: Uint8Array) => boolean;
}

const { addon, reason } = addonOrReason();

/** Why the native curve is not here; undefined when it is. Say it once where a process starts. */
export const nativeCurveMissing: string | undefined = reason;

export const curve: Curve = addon
  ? {
      native: true,
      tweakAdd: (publicKey, tweak) => addon.publicKeyTweakAdd(publicKey, tweak, true),
      uncompress: (publicKey) => addon.publicKeyConvert(publicKey, false),
      verify: orFalse((signature, digest, publicKey) =>
        addon.ecdsaVerify(addon.signatureImport(signature), digest, publicKey),
      ),
    }
  : {
      native: false,
      tweakAdd: slowTweakAdd,
      uncompress: slowUncompress,
      verify: orFalse(slowVerify),
    };

/** The same by @noble/curves, which has no prebuilt part and runs everywhere. */
export function slowTweakAdd(publicKey: Uint8Array, tweak: Uint8Array): Uint8Array {
  const { Point } = secp256k1;
  const scalar = Point.Fn.fromBytes(tweak);
  const point = Point.fromBytes(publicKey);
  return point.add(Point.BASE.multiply(scalar)).toBytes(true);
}

function slowUncompress(publicKey: Uint8Array): Uint8Array {
  return secp256k1.Point.fromBytes(publicKey).toBytes(false);
}

function slowVerify(signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array): boolean {
  return secp256k1.verify(signature, digest, publicKey, { prehash: false, lowS: true, format: 'der' });
}

/** Both libraries throw for bytes that are no signature or no key. */
function orFalse(verify: Curve['verify']): Curve['verify'] {
  return (signature, digest, publicKey) => {
    try {
      return verify(signature, digest, publicKey);
    } catch {
      return false;
    }
  };
}

/**
 * The package's main file falls back to the library `elliptic` in silence where it has no prebuilt addon for the
 * platform, so its native half is loaded by name.
 */
function addonOrReason(): { addon?: Addon; reason?: string } {
  try {
    return { addon: createRequire(import.meta.url)('secp256k1/bindings.js') as Addon };
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return {
      reason: `no native secp256k1 for ${process.platform}-${process.arch}: addresses are derived in JavaScript (${why})`,
    };
  }
}
