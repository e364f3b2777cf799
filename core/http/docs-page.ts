import scalar from '@scalar/fastify-api-reference';
import type { FastifyInstance } from 'fastify';
import { problemKinds } from './problems.ts';

/** The pages load what this process serves and nothing else: the browser itself refuses the rest. */
const POLICY =
  "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:; " +
  "font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** /docs, drawn from the description; /docs/problems, one paragraph for each code; /openapi.json. */
export async function serveDocs(app: FastifyInstance): Promise<void> {
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.url?.startsWith('/docs') !== true) return;
    void reply.header('content-security-policy', POLICY).header('x-content-type-options', 'nosniff');
  });
  await app.register(scalar, {
    routePrefix: '/docs',
    configuration: {
      pageTitle: 'Portcullis API',
      withDefaultFonts: false,
      telemetry: false,
      showDeveloperTools: 'never',
      hideClientButton: true,
      agent: { disabled: true },
      mcp: { disabled: true },
      defaultHttpClient: { targetKey: 'shell', clientKey: 'curl' },
    },
  });
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  app.get('/docs/problems', { schema: { hide: true } }, (_request, reply) =>
    reply.type('text/html; charset=utf-8').send(problemsPage()),
  );
}

const STYLE = `
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  table { border-collapse: collapse; width: 100%; }
  th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #8884; }
  tr:target { background: #fc03; }
  code { font: .9em ui-monospace, monospace; }
`;

/** Where a problem's `type` leads. */
function problemsPage(): string {
  const rows = Object.entries(problemKinds).map(
    ([code, { status, title, retryable }]) =>
      `<tr id="${code}"><td><code>${code}</code></td><td>${status}</td><td>${escapeHtml(title)}.</td>` +
      `<td>${retryable ? 'yes' : 'no'}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Portcullis API: problems</title>
<style>${STYLE}</style>
<h1>Problems</h1>
<p>Every refusal and fault of the <a href="/docs/">API</a> carries one of these codes. They are stable.</p>
<table>
<thead><tr><th>code</th><th>status</th><th>what it means</th><th>may succeed later, unchanged</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
</html>`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
