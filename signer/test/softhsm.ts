/** A token of a SoftHSM2 for tests of signers. */
import { randomUUID } from 'node:crypto';
import { provisionSofthsm, type Softhsm } from '../../world/parts/softhsm.ts';
import { openPkcs11 } from '../hsm/pkcs11.ts';
import type { Token } from '../hsm/token.ts';
import { formatTokenAnswer, parseTokenRequest } from '../protocol/token.ts';
import type { TokenPipe } from '../vault/token.ts';

export const TOKEN_LABEL = 'signer-a';

/** One token with this PIN in the folder; the module is then ready for this process too. */
export async function makeToken(folder: string, pin: string): Promise<Softhsm> {
  const softhsm = await provisionSofthsm({ folder });
  Object.assign(process.env, softhsm.env);
  const module = openPkcs11(softhsm.module);
  const [free] = module.tokens();
  if (free === undefined) throw new Error('SoftHSM2 has no free slot');
  module.initialise(free.slot, { label: TOKEN_LABEL, securityPin: randomUUID(), pin });
  module.close();
  return softhsm;
}

/** The same lines as between the two processes, within one. `onSign` is called before a signature is made. */
export function pipeTo(token: Token, onSign: () => void = () => undefined): TokenPipe {
  return {
    label: TOKEN_LABEL,
    exchange: (line) => {
      const parsed = parseTokenRequest(JSON.parse(line));
      if (!parsed.ok) throw new Error(parsed.detail);
      const { id, request } = parsed.value;
      if (request.call === 'sign') onSign();
      return formatTokenAnswer(id, token.answer(request));
    },
  };
}
