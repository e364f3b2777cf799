/** What the API's page says before it lists the operations; Markdown. */
export const introduction = `
Deposits, balances, transfers and withdrawals of an exchange. It moves no coin by itself: what it records is paid
by a quorum of signers that check every order for themselves.

## Begin

Every call below \`/v1\` carries an API key. The local system of \`npm start\` prints one; a production key is made
by whoever runs the system, shown once and stored as a hash.

\`\`\`sh
curl http://127.0.0.1:8080/v1/assets \\
  -H "Authorization: Bearer $KEY"
\`\`\`

Without a valid key the answer is 401 \`UNAUTHENTICATED\`, whatever the route. A key has scopes, least by default;
\`x-scope\` of an operation says which one it needs, and without it the answer is 403 \`SCOPE_MISSING\`. What a person
has to look at first (\`operations:act\`: clear a halt, resolve a stray, write off) is not for an exchange's backend. \`/livez\`, \`/readyz\`, \`/metrics\` and
this page need none, so do not expose them beyond your own network.

## Money

An amount is a decimal string in units of the asset, such as \`"0.015"\`; answers have the same in base units
(satoshi, wei …) as \`amount_base\`. Never read either into a floating-point number. Assets and networks are named by
ticker and id (\`BTC\`, \`bitcoin\`) or by CAIP-19 and CAIP-2, wherever one is asked for.

## Asking again

No answer came: ask again, unchanged. \`x-idempotent\` of an operation says what makes that harmless.

- \`Idempotency-Key\`: the header is required. The same request under the same key is answered from the first, with the
  header \`Idempotency-Replayed: true\`; another request under it is refused. Keys are kept for the time that the
  configuration says (\`http.idempotencyKeyHours\`, 72 by default) and then forgotten. A refusal spends no key.
- \`natural\`: the effect itself can happen only once.

An \`external_id\` is yours and is never forgotten: a withdrawal or transfer under it happens once, for ever. With equal
content it is answered with what it became, whatever happened to minimums, fees, gates or its quote; with other content,
another \`quote_id\` or \`authorization\` included, it is \`EXTERNAL_ID_REUSED\`.

## Pages and events

Lists are newest first; \`page.next_cursor\` asks for the next page. Events are the other way round, oldest first and
without gaps: keep the last \`sequence\` that you handled and ask for what is after it, or follow the stream.

## Problems

Whatever goes wrong is answered as \`application/problem+json\` (RFC 9457). Act on \`code\`: it is stable, and each
operation lists those that it can answer. \`retryable\` says whether the same request may succeed later, unchanged.
Give \`request_id\` to whoever runs the system. [All codes](/docs/problems).
`.trim();

export const tags = [
  {
    name: 'customers',
    description: 'Customers of the exchange, their deposit addresses and their balances.',
  },
  {
    name: 'deposits',
    description:
      'What customers paid in: `seen` → `safe` (credited) → `irreversible` (may leave), or `orphaned` when a reorg took it back. And strays: money that arrived in a way that is no deposit.',
  },
  {
    name: 'withdrawals',
    description:
      'Amount and fee are held with the request. `requested` → `approved` or `held` → `batched` → `signing` → `broadcast` → `confirming` → `settled`; or `refused`, `cancelled`, `failed`, and the hold is free again.',
  },
  { name: 'transfers', description: 'Between customers, inside the books: nothing touches a chain.' },
  { name: 'assets', description: 'What is listed where: minimums, fees, confirmation depths and gates.' },
  { name: 'events', description: 'All that happened, in one order, as a list or a live stream.' },
  { name: 'operations', description: 'What an operator looks at and decides: halts and the books.' },
  { name: 'health', description: 'For supervisors and load balancers; no key needed.' },
];
