import { Problem } from './problems.ts';

/** Opaque cursors: the last key of a page, so that nothing is skipped or doubled while rows arrive. */
export function encodeCursor(key: string): string {
  return Buffer.from(`1:${key}`).toString('base64url');
}

export function decodeCursor(cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const text = Buffer.from(cursor, 'base64url').toString('utf8');
  if (!/^1:[A-Za-z0-9_]{1,120}$/.test(text)) throw new Problem('CURSOR_INVALID');
  return text.slice(2);
}

/** Cuts rows, of which one more than `limit` was asked, to a page. */
export function pageFrom<Row, Item>(
  rows: readonly Row[],
  limit: number,
  keyOf: (row: Row) => string,
  render: (row: Row) => Item,
): { data: Item[]; page: { next_cursor: string | null; has_more: boolean } } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const hasMore = rows.length > limit && last !== undefined;
  return {
    data: shown.map(render),
    page: { next_cursor: hasMore ? encodeCursor(keyOf(last)) : null, has_more: hasMore },
  };
}
