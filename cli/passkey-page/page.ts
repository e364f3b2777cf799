/** The one page: it shows what is to be signed, computes its digest itself and asks the browser for a passkey. */

/** What the page is told. */
export interface Shown {
  readonly title: string;
  readonly by: string;
  readonly rpId: string;
  readonly lines: readonly string[];
  /** The canonical bytes, hex. */
  readonly bytes: string;
}

/** Of every page here. */
export const STYLE = `
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 42rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; }
pre { white-space: pre-wrap; font-size: 1.05rem; padding: .75rem; border: 1px solid; border-radius: .4rem; }
button { font: inherit; padding: .6rem 1.2rem; margin: 0 .5rem .5rem 0; cursor: pointer; }
#sign, .first { font-weight: 600; }
#said { min-height: 3rem; font-weight: 600; }
`;

const SCRIPT = `
const shown = JSON.parse(document.getElementById('shown').textContent);
const at = (id) => document.getElementById(id);
const hex = (bytes) => [...new Uint8Array(bytes)].map((one) => one.toString(16).padStart(2, '0')).join('');
const bytes = Uint8Array.from(shown.bytes.match(/../g), (pair) => parseInt(pair, 16));
const digest = await crypto.subtle.digest('SHA-256', bytes);
at('title').textContent = shown.title;
at('by').textContent = shown.by;
for (const line of shown.lines) at('lines').append(Object.assign(document.createElement('li'), { textContent: line }));
const groups = hex(digest).match(/.{4}/g);
at('digest').textContent = [0, 4, 8, 12].map((from) => groups.slice(from, from + 4).join(' ')).join('\\n');
at('bytes').textContent = shown.bytes;
const say = (text) => { at('said').textContent = text; };
const answer = async (body) => {
  const response = await fetch(location.pathname, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
  });
  return response.ok ? undefined : (await response.text());
};
const end = (text) => { at('sign').disabled = at('cancel').disabled = true; say(text); };
const act = (work) => async () => {
  at('sign').disabled = true;
  try { await work(); } catch (error) {
    say(error.name === 'NotAllowedError' ? 'No passkey was used. Try again, or cancel.' : String(error.message));
    at('sign').disabled = false;
  }
};
at('sign').addEventListener('click', act(async () => {
  say('Waiting for your passkey.');
  const { response } = await navigator.credentials.get({
    publicKey: { challenge: digest, rpId: shown.rpId, userVerification: 'required' },
  });
  const refused = await answer({
    authenticatorData: hex(response.authenticatorData),
    clientData: hex(response.clientDataJSON),
    signature: hex(response.signature),
  });
  if (refused !== undefined) throw new Error(refused);
  end('Signed. Go on in the terminal; this page can be closed.');
}));
at('cancel').addEventListener('click', act(async () => {
  await answer({ cancelled: true });
  end('Cancelled: nothing was signed.');
}));
at('sign').disabled = false;
`;

/** `nonce` lets this page's own style and script run, and no others. */
export const pageOf = (shown: Shown, nonce: string): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Portcullis: sign</title>
<style nonce="${nonce}">${STYLE}</style>
<h1 id="title"></h1>
<p>You sign as <strong id="by"></strong>. What it does:</p>
<ul id="lines"></ul>
<p>Compare these groups with the terminal, and with the other operators’ screens:</p>
<pre id="digest"></pre>
<p><button id="sign" disabled>Sign with my passkey</button><button id="cancel">Cancel</button></p>
<p id="said" role="status"></p>
<details><summary>The document’s bytes</summary><pre id="bytes"></pre></details>
<script type="application/json" id="shown" nonce="${nonce}">${JSON.stringify(shown).replaceAll('<', '\\u003c')}</script>
<script type="module" nonce="${nonce}">${SCRIPT}</script>
</html>
`;
