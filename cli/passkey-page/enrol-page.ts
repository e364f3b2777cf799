/** The page on which an operator makes a passkey: made first, then used once, each with a press of its own. */
import { STYLE } from './page.ts';

export interface EnrolShown {
  readonly by: string;
  readonly rpId: string;
  /** What the authenticator's own list will say. */
  readonly name: string;
  /** Hex: of the authenticator's user, and what is signed at each of the two steps. */
  readonly user: string;
  readonly makes: string;
  readonly uses: string;
}

const SCRIPT = `
const shown = JSON.parse(document.getElementById('shown').textContent);
const at = (id) => document.getElementById(id);
const hex = (bytes) => [...new Uint8Array(bytes)].map((one) => one.toString(16).padStart(2, '0')).join('');
const unhex = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
at('by').textContent = shown.by;
const say = (text) => { at('said').textContent = text; };
const answer = async (body) => {
  const response = await fetch(location.pathname, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(await response.text());
};
const end = (text) => { at('make').disabled = at('use').disabled = at('cancel').disabled = true; say(text); };
const act = (button, work) => async () => {
  at(button).disabled = true;
  try { await work(); } catch (error) {
    say(error.name === 'NotAllowedError' ? 'No passkey was used. Try again, or cancel.' : String(error.message));
    at(button).disabled = false;
  }
};
let made;
at('make').addEventListener('click', act('make', async () => {
  say('Waiting for your authenticator.');
  const { rawId, response } = await navigator.credentials.create({ publicKey: {
    challenge: unhex(shown.makes),
    rp: { id: shown.rpId, name: 'Portcullis' },
    user: { id: unhex(shown.user), name: shown.name, displayName: shown.name },
    pubKeyCredParams: [{ type: 'public-key', alg: -7 }],
    authenticatorSelection: { residentKey: 'required', requireResidentKey: true, userVerification: 'required' },
    attestation: 'none',
  } });
  await answer({
    step: 'made',
    authenticatorData: hex(response.getAuthenticatorData()),
    clientData: hex(response.clientDataJSON),
  });
  made = rawId;
  at('use').disabled = false;
  say('Made. Now use it once, so that it is known to sign.');
}));
at('use').addEventListener('click', act('use', async () => {
  say('Waiting for your passkey.');
  const { response } = await navigator.credentials.get({ publicKey: {
    challenge: unhex(shown.uses), rpId: shown.rpId, userVerification: 'required',
    allowCredentials: [{ type: 'public-key', id: made }],
  } });
  await answer({
    step: 'used',
    authenticatorData: hex(response.authenticatorData),
    clientData: hex(response.clientDataJSON),
    signature: hex(response.signature),
  });
  end('It signs. Go on in the terminal; this page can be closed.');
}));
at('cancel').addEventListener('click', act('cancel', async () => {
  await answer({ cancelled: true });
  end('Cancelled: nothing is kept. If a passkey was made, remove it from your authenticator.');
}));
at('make').disabled = false;
`;

/** `nonce` lets this page's own style and script run, and no others. */
export const enrolPageOf = (shown: EnrolShown, nonce: string): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Portcullis: make a passkey</title>
<style nonce="${nonce}">${STYLE}</style>
<h1>Make your passkey</h1>
<p>For operator <strong id="by"></strong>. With it you approve what loosens: lifting freezes, payments, policies.</p>
<ul>
<li>It has to be yours alone: a security key, or this machine’s own, with a PIN or a fingerprint.</li>
<li>Keep the authenticator: a lost passkey is replaced in a new epoch only.</li>
</ul>
<p><button id="make" class="first" disabled>1. Make my passkey</button><button id="use" class="first" disabled>2. Use it once</button><button id="cancel">Cancel</button></p>
<p id="said" role="status"></p>
<script type="application/json" id="shown" nonce="${nonce}">${JSON.stringify(shown).replaceAll('<', '\\u003c')}</script>
<script type="module" nonce="${nonce}">${SCRIPT}</script>
</html>
`;
