-- Each process has a role of its own that may write what its modules own and read the rest. Roles belong to the
-- server and not to the database, so they may be there already; whoever deploys gives them their passwords.
do $$
declare
  name text;
begin
  foreach name in array array['portcullis_api', 'portcullis_watcher', 'portcullis_pipeline'] loop
    if not exists (select 1 from pg_roles where rolname = name) then
      execute format('create role %I nologin', name);
    end if;
  end loop;
end $$;

grant usage on schema public to portcullis_api, portcullis_watcher, portcullis_pipeline;
grant select on all tables in schema public to portcullis_api, portcullis_watcher, portcullis_pipeline;

-- The event log is written by everybody and changed by nobody.
grant insert on event to portcullis_api, portcullis_watcher, portcullis_pipeline;
grant insert, delete on halt to portcullis_api, portcullis_watcher, portcullis_pipeline;

-- Chains: the watcher alone says what a chain says. New addresses to watch come from those who issue them.
grant insert, update, delete on chain_block, chain_tip, receipt, bitcoin_coin, evm_payout, evm_delivery
  to portcullis_watcher;
grant usage on sequence receipt_change to portcullis_watcher;
grant insert on watched to portcullis_api, portcullis_pipeline, portcullis_watcher;
grant insert, update on evm_call, evm_attempt to portcullis_pipeline;
grant delete on evm_call to portcullis_pipeline; -- queued ones only, whose time ran out before they had a nonce
grant insert, update, delete on relay_wait to portcullis_pipeline;

-- The books: append-only where they are a journal.
grant insert on posting, leg, entry to portcullis_api, portcullis_pipeline;
grant insert, update on account, hold, credited_deposit to portcullis_api, portcullis_pipeline;
grant insert, update, delete on lot to portcullis_api, portcullis_pipeline;
grant usage on sequence posting_id to portcullis_api, portcullis_pipeline;

-- Customers and their requests.
grant insert on customer to portcullis_api;
grant insert, update on deposit_address to portcullis_api, portcullis_pipeline;
grant update on customer to portcullis_api, portcullis_pipeline; -- row locks only; no column ever changes
grant usage on sequence descriptor_index to portcullis_api, portcullis_pipeline;
grant insert, update on withdrawal, quote to portcullis_api, portcullis_pipeline;
grant insert on withdrawal_step to portcullis_api, portcullis_pipeline;
grant usage on sequence order_number to portcullis_api, portcullis_pipeline;
grant insert, update, delete on idempotency_key to portcullis_api;
grant update on stray to portcullis_api;
grant update (written_off, updated_at) on deposit to portcullis_api; -- an operator writes an orphaned one off

-- The pipeline: deposits, spends, signatures, sweeps.
grant insert, update on deposit, stray, deposit_cursor to portcullis_pipeline;
grant insert on deposit_step to portcullis_pipeline;
grant insert, update, delete on spend, spend_order, spend_coin, spend_attempt, signer_answer to portcullis_pipeline;
grant usage on sequence change_index to portcullis_pipeline;
grant insert, update, delete on sweep, sweep_item, booked_delivery, unswept, treasury_cursor to portcullis_pipeline;
-- A cancellation takes back a spend that no signer was asked about.
grant update, delete on spend, spend_order, spend_coin, spend_attempt to portcullis_api;
