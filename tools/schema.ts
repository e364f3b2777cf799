/**
 * Reads the migrated database's own catalogue and writes `core/migrations/schema.sql` (what the migrations add
 * up to, for people and reviews) and `core/db/tables.ts` (Kysely's table types). `--check` fails when stale.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { migrate } from '../core/db/migrate.ts';
import { openPool } from '../core/db/db.ts';
import { startPostgres } from '../world/parts/postgres.ts';

interface Column {
  table_name: string;
  column_name: string;
  udt_name: string;
  is_nullable: string;
  column_default: string | null;
  is_identity: string;
  definition: string;
}

const TYPES: Record<string, string> = {
  text: 'string',
  int4: 'number',
  int8: 'bigint',
  numeric: 'bigint',
  bool: 'boolean',
  timestamptz: 'Date',
  bytea: 'Buffer',
  jsonb: 'unknown',
  _text: 'string[]',
};

const COLUMNS = `
  select c.table_name, c.column_name, c.udt_name, c.is_nullable, c.column_default, c.is_identity,
         format('%I %s%s%s', c.column_name, format_type(a.atttypid, a.atttypmod),
           case when a.attnotnull then ' not null' else '' end,
           case when c.column_default is not null then ' default ' || c.column_default else '' end) as definition
    from information_schema.columns c
    join pg_attribute a on a.attrelid = format('%I.%I', c.table_schema, c.table_name)::regclass and a.attname = c.column_name
   where c.table_schema = 'public' and c.table_name not like 'pgmigrations%'
   order by c.table_name, c.ordinal_position`;

const CONSTRAINTS = `
  select conrelid::regclass::text as table_name, conname, pg_get_constraintdef(oid) as definition
    from pg_constraint where connamespace = 'public'::regnamespace and contype <> 'n' order by 1, contype desc, conname`;

const INDEXES = `
  select i.indexdef from pg_indexes i
   where i.schemaname = 'public' and i.tablename not like 'pgmigrations%'
     and not exists (select 1 from pg_constraint c where c.conname = i.indexname) order by i.indexname`;

const TRIGGERS = `
  select pg_get_triggerdef(t.oid) as definition from pg_trigger t
    join pg_class c on c.oid = t.tgrelid where not t.tgisinternal order by c.relname, t.tgname`;

const files = [
  { path: new URL('../core/migrations/schema.sql', import.meta.url), make: schemaSql },
  { path: new URL('../core/db/tables.ts', import.meta.url), make: tablesTs },
];

await main(process.argv.includes('--check'));

async function main(check: boolean): Promise<void> {
  const server = await startPostgres({ fast: true });
  const pool = openPool(server.url, 2);
  try {
    await migrate(server.url);
    for (const file of files) {
      const text = await file.make(async (sql) => (await pool.query(sql)).rows);
      const before = await readFile(file.path, 'utf8').catch(() => '');
      if (before === text) continue;
      if (check) {
        process.stderr.write(
          `${file.path.pathname.split('/').slice(-3).join('/')} is stale: run node tools/schema.ts\n`,
        );
        process.exitCode = 1;
      } else {
        await writeFile(file.path, text);
      }
    }
  } finally {
    await pool.end();
    await server.stop();
  }
}

type Rows = (sql: string) => Promise<Record<string, string>[]>;

async function schemaSql(rows: Rows): Promise<string> {
  const constraints = await rows(CONSTRAINTS);
  const tables = byTable((await rows(COLUMNS)) as unknown as Column[]);
  const parts = [...tables].map(([table, columns]) => {
    const lines = columns.map((column) => `  ${column.definition}`);
    for (const constraint of constraints) {
      if (constraint['table_name'] === table)
        lines.push(`  constraint ${constraint['conname']} ${constraint['definition']}`);
    }
    return `create table ${table} (\n${lines.join(',\n')}\n);`;
  });
  const indexes = (await rows(INDEXES)).map((row) => `${row['indexdef']};`);
  const triggers = (await rows(TRIGGERS)).map((row) => `${row['definition']};`);
  return `-- Written by tools/schema.ts from the migrated database. Do not edit.\n\n${[...parts, indexes.join('\n'), triggers.join('\n')].join('\n\n')}\n`;
}

async function tablesTs(rows: Rows): Promise<string> {
  const tables = byTable((await rows(COLUMNS)) as unknown as Column[]);
  const interfaces = [...tables].map(([table, columns]) => {
    const fields = columns.map((column) => `  ${column.column_name}: ${typeOf(column)};`);
    return `export interface ${typeName(table)} {\n${fields.join('\n')}\n}`;
  });
  const all = [...tables.keys()].map((table) => `  ${table}: ${typeName(table)};`);
  return (
    [
      '// Written by tools/schema.ts from the migrated database. Do not edit.',
      "import type { Generated, GeneratedAlways } from 'kysely';",
      ...interfaces,
      `export interface Tables {\n${all.join('\n')}\n}`,
    ].join('\n\n') + '\n'
  );
}

function typeOf(column: Column): string {
  const base = TYPES[column.udt_name];
  if (base === undefined)
    throw new Error(`${column.table_name}.${column.column_name}: no type for ${column.udt_name}`);
  const nullable = column.is_nullable === 'YES' && base !== 'unknown' ? `${base} | null` : base;
  if (column.is_identity === 'YES') return `GeneratedAlways<${nullable}>`;
  return column.column_default === null ? nullable : `Generated<${nullable}>`;
}

function byTable(columns: Column[]): Map<string, Column[]> {
  const tables = new Map<string, Column[]>();
  for (const column of columns)
    tables.set(column.table_name, [...(tables.get(column.table_name) ?? []), column]);
  return tables;
}

function typeName(table: string): string {
  return table.replace(/(^|_)([a-z])/g, (_, __, letter: string) => letter.toUpperCase());
}
