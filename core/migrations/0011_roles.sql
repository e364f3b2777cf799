-- Each process has a role of its own, which may write what its modules own, column by column, and read what it
-- works with. Roles belong to the server and not to the database, so they may be there already; whoever deploys
-- gives them their passwords. core/db/roles.test.ts holds what each may do, and attacks all the rest.
do $$
declare
  name text;
begin
  foreach name in array array['portcullis_api', 'portcullis_watcher', 'portcullis_pipeline', 'portcullis_sentinel'] loop
    if not exists (select 1 from pg_roles where rolname = name) then
      execute format('create role %I nologin', name);
    end if;
  end loop;
  -- What everybody may do by default: connect, and make temporary tables as large as the disk.
  execute format('revoke all on database %I from public', current_database());
  execute format(
    'grant connect on database %I to portcullis_api, portcullis_watcher, portcullis_pipeline, portcullis_sentinel',
    current_database()
  );
end $$;
revoke all on schema public from public;
revoke execute on all functions in schema public from public;
-- Large objects are outside of all tables, and as large as the disk. A migrator who does not own these changes
-- nothing here and gets a warning.
revoke execute on function lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) from public;

grant usage on schema public to portcullis_api, portcullis_watcher, portcullis_pipeline, portcullis_sentinel;

-- Reading. A watcher reads what strangers wrote on chains: it sees no customer. Bearer keys, and answers that are
-- kept for repetitions, are the API's.
grant select on all tables in schema public to portcullis_api, portcullis_pipeline;
revoke select on api_key, idempotency_key from portcullis_pipeline;
grant select on chain_block, chain_tip, watched, receipt, bitcoin_coin, evm_payout, evm_delivery,
  evm_balance_check, halt to portcullis_watcher;

-- The sentinel compares what the books say of wallets with what its own nodes say. It writes nothing.
grant select on account, chain_tip, withdrawal, spend, spend_order, spend_attempt, halt to portcullis_sentinel;

-- The event log is written by everybody and changed by nobody. Who follows the chains may halt a network; going
-- on is a person's decision, which the API records.
grant insert on event to portcullis_api, portcullis_watcher, portcullis_pipeline;
grant insert on halt to portcullis_watcher, portcullis_pipeline;
grant delete on halt to portcullis_api;

-- Chains: the watcher alone says what a chain says. New addresses to watch come from those who issue them.
grant insert, update (canonical) on chain_block, evm_payout, evm_delivery to portcullis_watcher;
grant insert, update (height, hash, at) on chain_tip to portcullis_watcher;
grant insert, update (block_hash, height, state, change) on receipt to portcullis_watcher;
grant insert, delete, update (height, block_hash, spent_tx_id, spent_height, spent_block_hash) on bitcoin_coin
  to portcullis_watcher;
grant insert, update (watched_id, height) on evm_balance_check to portcullis_watcher;
grant usage on sequence receipt_change to portcullis_watcher;
grant insert on watched to portcullis_api, portcullis_pipeline, portcullis_watcher;
grant insert, update (relayer, nonce, state, tx_id, cost_wei, height) on evm_call to portcullis_pipeline;
grant delete on evm_call, evm_attempt to portcullis_pipeline; -- queued ones only, whose time ran out before they had a nonce
grant insert on evm_attempt to portcullis_pipeline;
grant insert, delete on relay_wait to portcullis_pipeline;

-- The books: append-only where they are a journal.
grant insert on posting, leg, entry to portcullis_api, portcullis_pipeline;
grant insert, update (final, provisional, held, version) on account to portcullis_api, portcullis_pipeline;
grant insert, update (state) on hold to portcullis_api, portcullis_pipeline;
grant insert, update (incarnation, state) on credited_deposit to portcullis_api, portcullis_pipeline;
grant insert, delete, update (units, since) on lot to portcullis_api, portcullis_pipeline;
grant usage on sequence posting_id to portcullis_api, portcullis_pipeline;

-- Customers and their requests. A row lock takes the right to update a column: of a customer none ever changes,
-- and whom an address belongs to, or what a withdrawal pays to whom, nobody changes.
grant insert on customer to portcullis_api;
grant update (created_at) on customer to portcullis_api, portcullis_pipeline;
grant insert on credential to portcullis_api;
grant update (taken, usable_at, ended_at) on credential to portcullis_pipeline;
grant insert, update (status, retired_at, replaced_by) on deposit_address to portcullis_api, portcullis_pipeline;
grant usage on sequence descriptor_index to portcullis_api;
grant insert on withdrawal, quote to portcullis_api;
grant update (state, reason, spend_id, tx_id, updated_at) on withdrawal to portcullis_api, portcullis_pipeline;
grant update (used_by) on quote to portcullis_api;
grant insert on withdrawal_step to portcullis_api, portcullis_pipeline;
grant usage on sequence order_number to portcullis_api;
grant insert, delete, update (status, response, created_at) on idempotency_key to portcullis_api;
grant update (state, resolved_to) on stray to portcullis_api;
grant update (written_off, updated_at) on deposit to portcullis_api; -- an operator writes an orphaned one off

-- The pipeline: deposits, spends, signatures, sweeps.
grant insert, update (state, incarnation, credited, final, block_hash, height, updated_at) on deposit
  to portcullis_pipeline;
grant insert, update (state, booked, resolved_to, block_hash, height) on stray to portcullis_pipeline;
grant insert, update (change) on deposit_cursor to portcullis_pipeline;
grant insert on deposit_step to portcullis_pipeline;
grant insert, update (state, tx_id, cost_units, reason, failures, next_at, updated_at) on spend
  to portcullis_pipeline;
grant insert, update (outcome) on spend_order to portcullis_pipeline;
grant insert, update (released) on spend_coin to portcullis_pipeline;
grant insert, update (state, tx_id, raw, broadcast_at) on spend_attempt to portcullis_pipeline;
grant insert, update (ok, code, detail, answer, at) on signer_answer to portcullis_pipeline;
grant usage on sequence change_index to portcullis_pipeline;
grant insert, update (state) on sweep to portcullis_pipeline;
grant insert, update (settled, delivered) on sweep_item to portcullis_pipeline;
grant insert on booked_delivery to portcullis_pipeline;
grant insert, update (units, failures, next_sweep_at) on unswept to portcullis_pipeline;
grant insert, update (at) on treasury_cursor to portcullis_pipeline;
-- A cancellation takes back a spend that no signer was asked about, under its lock.
grant delete, update (updated_at) on spend to portcullis_api;
grant delete on spend_order, spend_coin, spend_attempt to portcullis_api;
