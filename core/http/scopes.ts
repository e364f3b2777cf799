/** What an API key may do. A key has none but those that it was given. */
export const scopes = [
  'assets:read',
  'customers:read',
  'customers:create',
  'deposits:read',
  'withdrawals:read',
  'withdrawals:create',
  'transfers:create',
  'events:read',
  'operations:read',
  'operations:act',
] as const;
export type Scope = (typeof scopes)[number];

/** What an exchange's backend needs for its customers; nothing that a person should have looked at first. */
export const backendScopes: readonly Scope[] = scopes.filter((scope) => !scope.startsWith('operations:'));

/** What an operator reads, and the three acts that change books or halts by decision: clear, resolve, write off. */
export const operationsScopes: readonly Scope[] = scopes.filter(
  (scope) => scope.endsWith(':read') || scope === 'operations:act',
);
