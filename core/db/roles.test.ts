// Proves: each process's database role can do what the matrix says with each table, and nothing else with anything,
// by what the catalogue says and by trying it; and no role can become another, change the schema, run or read what
// is outside, or use the functions that could.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client, escapeIdentifier } from 'pg';
import { startPostgres } from '../../world/parts/postgres.ts';
import { migrate } from './migrate.ts';
import { drawsFrom, reachOf, roles, type Reach, type Role } from './test/role-matrix.ts';

const server = await startPostgres({ fast: true });

const DATABASE = 'portcullis';
const url = server.urlOf(DATABASE);
const PASSWORD = 'a-password-of-this-test';
const clients = new Map<string, Client>();
after(async () => {
  for (const client of clients.values()) await client.end();
  await server.stop();
});

async function connect(name: string, to: string): Promise<Client> {
  const client = new Client({ connectionString: to });
  await client.connect();
  clients.set(name, client);
  return client;
}

function urlAs(role: Role): string {
  const own = new URL(url);
  own.username = role;
  own.password = PASSWORD;
  return own.href;
}

before(async () => {
  const root = await connect('server', server.url);
  await root.query(`create database ${DATABASE}`);
  await migrate(url);
  const owner = await connect('owner', url);
  for (const role of roles) {
    await owner.query(`alter role ${role} login password '${PASSWORD}'`);
    await connect(role, urlAs(role));
  }
});

function client(name: string): Client {
  const found = clients.get(name);
  assert.ok(found, name);
  return found;
}

interface Column {
  readonly table: string;
  readonly column: string;
  /** Never written by hand: PostgreSQL refuses everybody. */
  readonly always: boolean;
}

/** From the catalogue, so that a table nobody thought of is attacked too. */
async function columns(): Promise<Map<string, Column[]>> {
  const { rows } = await client('owner').query<Column>(
    `select c.relname as table, a.attname as column, a.attidentity = 'a' as always
       from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
      order by 1, a.attnum`,
  );
  return Map.groupBy(rows, (row) => row.table);
}

async function sequences(): Promise<string[]> {
  const { rows } = await client('owner').query<{ name: string }>(
    `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'S' order by 1`,
  );
  return rows.map(({ name }) => name);
}

const DENIED = '42501';

/** SQLSTATE of the first error, 'done' without one. Nothing of it lasts. */
async function attempt(role: Role, text: string): Promise<string> {
  const connection = client(role);
  await connection.query('begin');
  try {
    await connection.query(text);
    return 'done';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  } finally {
    await connection.query('rollback');
  }
}

async function refused(role: Role, text: string): Promise<void> {
  assert.equal(await attempt(role, text), DENIED, `${role}: ${text}`);
}

/** It got past the walls: what then stops it, such as a value that is missing, is the table's own business. */
async function allowed(role: Role, text: string): Promise<void> {
  const code = await attempt(role, text);
  assert.ok(code === 'done' || code.startsWith('23'), `${role}: ${text}: ${code}`);
}

test('the matrix names every table and sequence that there is, and none that is not', async () => {
  assert.deepEqual([...(await columns()).keys()].toSorted(), Object.keys(reachOf).toSorted());
  const drawn = (await sequences()).filter((name) => !name.endsWith('_seq'));
  assert.deepEqual(drawn, Object.keys(drawsFrom).toSorted());
  for (const [table, byRole] of Object.entries(reachOf)) {
    const known = (await columns()).get(table)?.map(({ column }) => column) ?? [];
    for (const reach of Object.values(byRole)) {
      for (const column of reach.update ?? []) assert.ok(known.includes(column), `${table}.${column}`);
    }
  }
});

test('the catalogue grants exactly what the matrix says, column by column, and no grant can be passed on', async () => {
  const { rows } = await client('owner').query<{ line: string }>(
    `select format('%s %s %s', r.role, lower(p.privilege), c.relname) as line
       from pg_class c cross join unnest($1::text[]) r(role)
       cross join unnest(array['SELECT', 'INSERT', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p(privilege)
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
        and (has_table_privilege(r.role, c.oid, p.privilege)
          or p.privilege not in ('DELETE', 'TRUNCATE', 'TRIGGER') and has_any_column_privilege(r.role, c.oid, p.privilege))
     union all
     select format('%s update %s.%s', r.role, c.relname, a.attname)
       from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
       cross join unnest($1::text[]) r(role)
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
        and has_column_privilege(r.role, c.oid, a.attnum, 'UPDATE')
     union all
     select format('%s %s %s', r.role, lower(p.privilege), c.relname)
       from pg_class c cross join unnest($1::text[]) r(role)
       cross join unnest(array['USAGE', 'SELECT', 'UPDATE']) p(privilege)
      where c.relnamespace = 'public'::regnamespace and c.relkind = 'S' and has_sequence_privilege(r.role, c.oid, p.privilege)`,
    [roles],
  );
  assert.deepEqual(rows.map(({ line }) => line).toSorted(), expectedLines().toSorted());
  const passed = await client('owner').query(
    `select g.* from pg_class c, lateral (
       select (aclexplode(c.relacl)).* union all
       select (aclexplode(attacl)).* from pg_attribute where attrelid = c.oid and attacl is not null) g
     where c.relnamespace = 'public'::regnamespace and g.grantee <> c.relowner and (g.is_grantable or g.grantee = 0)`,
  );
  assert.deepEqual(passed.rows, []);
});

function expectedLines(): string[] {
  const lines: string[] = [];
  for (const [table, byRole] of Object.entries(reachOf)) {
    for (const role of roles) {
      const reach: Reach = byRole[role];
      for (const verb of ['select', 'insert', 'delete'] as const)
        if (reach[verb]) lines.push(`${role} ${verb} ${table}`);
      for (const column of reach.update ?? []) lines.push(`${role} update ${table}.${column}`);
    }
  }
  for (const [name, drawers] of Object.entries(drawsFrom))
    for (const role of drawers) lines.push(`${role} usage ${name}`);
  return lines;
}

for (const role of roles) {
  test(`${role}: every statement on every table does what the matrix says`, async () => {
    for (const [table, cells] of await columns()) {
      const reach: Reach = reachOf[table]?.[role] ?? {};
      const name = escapeIdentifier(table);
      const expect = (may: boolean | undefined) => (may ? allowed : refused);
      await expect(reach.select)(role, `select * from ${name} limit 1`);
      await expect(reach.select)(role, `copy ${name} to stdout`);
      await expect(reach.insert)(role, `insert into ${name} default values`);
      await expect(reach.delete)(role, `delete from ${name} where false`);
      for (const { column, always } of cells) {
        if (always) continue;
        const set = `update ${name} set ${escapeIdentifier(column)} = null where false`;
        await expect(reach.update?.includes(column))(role, set);
      }
      await expect((reach.update ?? []).length > 0)(role, `select 1 from ${name} limit 0 for update`);
      await refused(role, `truncate ${name}`);
      await refused(role, `alter table ${name} add column planted text`);
      await refused(role, `alter table ${name} disable trigger all`);
      await refused(role, `drop table ${name} cascade`);
      await refused(role, `create index on ${name} (${escapeIdentifier(cells[0]?.column ?? '')})`);
      await refused(
        role,
        `create trigger planted before insert on ${name} execute function pg_catalog.suppress_redundant_updates_trigger()`,
      );
      await refused(role, `create rule planted as on insert to ${name} do instead nothing`);
    }
    for (const sequence of await sequences()) {
      const may = drawsFrom[sequence]?.includes(role);
      await (may ? allowed : refused)(role, `select nextval('${sequence}')`);
      await refused(role, `select setval('${sequence}', 1)`);
      await refused(role, `alter sequence ${sequence} restart`);
    }
  });

  test(`${role}: becomes nobody else, makes nothing, reaches nothing outside`, async () => {
    const { rows } = await client('owner').query(
      `select rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls,
         (select count(*)::int from pg_auth_members where member = r.oid) as memberships
       from pg_roles r where rolname = $1`,
      [role],
    );
    const nothing = { rolsuper: false, rolcreaterole: false, rolcreatedb: false };
    assert.deepEqual(rows, [{ ...nothing, rolreplication: false, rolbypassrls: false, memberships: 0 }]);
    for (const text of attacksOf(role)) await refused(role, text);
  });
}

/** What is tried beside tables: one line each. */
function attacksOf(role: Role): string[] {
  const others = roles.filter((other) => other !== role);
  return [
    ...[...others, 'postgres', 'pg_read_all_data', 'pg_write_all_data', 'pg_execute_server_program'].map(
      (other) => `set local role ${other}`,
    ),
    `set local session authorization ${others[0]}`,
    `set local session_replication_role = replica`,
    `set local allow_system_table_mods = on`,
    `alter role ${role} superuser`,
    `alter role ${role} createrole`,
    `alter role ${others[0]} password 'mine'`,
    `grant ${others[0]} to ${role}`,
    'create role planted',
    'create schema planted',
    'create table planted (n int)',
    'create table public.planted as select 1',
    'create temporary table planted (n int)',
    'create view planted as select 1',
    'create sequence planted',
    'create type planted as (n int)',
    `create function planted() returns int language sql as 'select 1'`,
    `create or replace function ledger_forbid() returns trigger language plpgsql as 'begin return null; end'`,
    'alter function ledger_forbid() owner to current_user',
    'drop function ledger_forbid() cascade',
    'create extension if not exists pgcrypto',
    'create extension if not exists dblink',
    'create publication planted for all tables',
    `create subscription planted connection 'host=127.0.0.1' publication planted with (connect = false)`,
    'create foreign data wrapper planted',
    'create event trigger planted on ddl_command_start execute function ledger_forbid()',
    `alter database ${DATABASE} set search_path = planted`,
    `alter default privileges for role postgres grant all on tables to ${role}`,
    'lock table gate in access exclusive mode nowait',
    `copy (select 1) to program 'true'`,
    `copy (select 1) to '/dev/null'`,
    `select pg_read_file('postgresql.conf')`,
    `select pg_ls_dir('.')`,
    `select lo_import('/dev/null')`,
    'select lo_create(0)',
    `select lo_from_bytea(0, '\\x00')`,
    'select pg_reload_conf()',
    'select pg_switch_wal()',
    `select pg_create_logical_replication_slot('planted', 'test_decoding')`,
    `select pg_create_physical_replication_slot('planted')`,
    'select rolpassword from pg_authid',
    'select * from pg_hba_file_rules',
    `select pg_terminate_backend(pid) from pg_stat_activity where usename is distinct from current_user and usename is not null`,
  ];
}

test('SQL that a role may run makes the ledger no other thing: journals stay, unbalanced postings are refused', async () => {
  for (const role of ['portcullis_api', 'portcullis_pipeline'] as const) {
    for (const table of ['posting', 'leg', 'entry']) {
      await refused(role, `delete from ${table}`);
      await refused(role, `update ${table} set ${table === 'posting' ? 'key' : 'posting_id'} = null`);
    }
    const account = `insert into account (kind, asset) values ('house', 'BTC')`;
    assert.equal(await attempt(role, account), 'done');
    assert.equal(
      await attempt(role, `${account}; update account set final = 1, version = 1 where kind = 'house'`),
      '23514',
    );
  }
});

test('a stranger with a role on this server does not even connect', async () => {
  const owner = client('owner');
  await owner.query(`create role stranger login password '${PASSWORD}'`);
  const own = new URL(url);
  own.username = 'stranger';
  own.password = PASSWORD;
  const stranger = new Client({ connectionString: own.href });
  await assert.rejects(stranger.connect(), { code: DENIED });
});
