import type { Command } from 'commander';

/** One line for each command, at the end of its help. A test holds that none is missing. */
const examples: Readonly<Record<string, string>> = {
  status: 'portcullis status',
  assets: 'portcullis assets',
  'customers create': 'portcullis customers create alice',
  'customers show': 'portcullis customers show alice',
  'customers balances': 'portcullis customers balances alice',
  'addresses new': 'portcullis addresses new alice BTC bitcoin',
  'addresses list': 'portcullis addresses list alice',
  'deposits list': 'portcullis deposits list --customer alice --limit 5',
  'deposits show': 'portcullis deposits show dep_0198b7aa10f37b2c9d8e7f6051423344',
  'deposits write-off':
    "portcullis deposits write-off dep_0198b7aa10f37b2c9d8e7f6051423344 --reason 'double-spent, 6 blocks deep'",
  'withdrawals quote':
    'portcullis withdrawals quote alice ETH ethereum 0x52908400098527886E0F7030069857D2E4169EE7 0.5',
  'withdrawals create':
    'portcullis withdrawals create alice ETH ethereum 0x52908400098527886E0F7030069857D2E4169EE7 0.5 --external-id order-17 --watch',
  'withdrawals list': 'portcullis withdrawals list --customer alice',
  'withdrawals show': 'portcullis withdrawals show wdr_0198b7ac3215791e8b0a9f8e7d6c5b4a',
  'withdrawals watch': 'portcullis withdrawals watch wdr_0198b7ac3215791e8b0a9f8e7d6c5b4a',
  'withdrawals cancel': 'portcullis withdrawals cancel wdr_0198b7ac3215791e8b0a9f8e7d6c5b4a',
  transfer: 'portcullis transfer alice bob BTC 0.01 --external-id trade-1',
  events: 'portcullis --json events --follow --after 120',
  'strays list': 'portcullis strays list',
  'strays resolve': 'portcullis strays resolve str_0198b7ab21047a1d8c9b0a1f2e3d4c5b alice',
  'halts list': 'portcullis halts list',
  'halts clear': 'portcullis halts clear bitcoin',
  books: 'portcullis books --audit',
  'config check': 'portcullis config check portcullis.toml',
  freeze: "portcullis freeze everything --reason 'withdrawals nobody asked for'",
  'freezes list': 'portcullis freezes list --as .portcullis/operators/alice',
  'unfreeze propose':
    "portcullis unfreeze propose lift.json everything --as .portcullis/operators/alice --reason 'it was ours'",
  'unfreeze approve': 'portcullis unfreeze approve lift.json --as .portcullis/operators/alice',
  'manifest show': 'portcullis manifest show --as .portcullis/operators/alice',
  'manifest verify': 'portcullis manifest verify manifest.json --as .portcullis/operators/alice',
  'policy show': 'portcullis --json policy show --as .portcullis/operators/alice > rules.json',
  'policy diff': 'portcullis policy diff rules.json --as .portcullis/operators/alice',
  'policy propose': 'portcullis policy propose rules.json next.json --as .portcullis/operators/alice',
  'policy approve': 'portcullis policy approve next.json --as .portcullis/operators/bob',
  'policy tighten': 'portcullis policy tighten rules.json --as .portcullis/operators/alice',
  'policy replay': 'portcullis policy replay rules.json --days 30 --as .portcullis/operators/alice',
  'policy veto': 'portcullis policy veto --as .portcullis/operators/carol',
  'operator passkey': 'portcullis operator passkey --as alice --id alice',
  signers: 'portcullis signers',
  'blast-radius': 'portcullis blast-radius --as .portcullis/operators/alice',
  'evacuate evm':
    'portcullis evacuate evm --as alice --guardian-key-file alice.guardian --node eip155:1=http://localhost:8545 --plan',
  'evacuate bitcoin':
    'portcullis evacuate bitcoin --as alice --node bip122:000000000019d6689c085ae165831e93=http://user:password@localhost:8332 --plan',
  'evacuate all':
    'portcullis evacuate all --as alice --guardian-key-file alice.guardian --node eip155:1=http://localhost:8545 --node bip122:000000000019d6689c085ae165831e93=http://user:password@localhost:8332',
  'ceremony operator':
    'portcullis ceremony operator alice --kit alice --passkey 02ab… --guardian 0x5290… --passphrase-file alice.passphrase',
  'ceremony kit':
    'portcullis ceremony kit alice --kit alice --certificate alice.cert.pem --key alice.key.pem --manifest manifest.json --signer signer-a,https://10.0.0.1:7101,signer-a.pem',
  'ceremony make-key':
    'portcullis ceremony make-key signer-a --as alice --epoch 1 --chain main --dice-file throws --passphrase-file signer-a.passphrase',
  'ceremony prove': 'portcullis ceremony prove --as alice --out proofs.json',
  'ceremony compose':
    'portcullis ceremony compose --plan plan.json --proofs proofs.json --out unsigned.json alice.card.json bob.card.json',
  'ceremony verify': 'portcullis ceremony verify unsigned.json alice.card.json bob.card.json --as bob',
  'ceremony sign': 'portcullis ceremony sign unsigned.json --as bob --out by-bob.json',
  'ceremony assemble':
    'portcullis ceremony assemble unsigned.json by-alice.json by-bob.json --out manifest.json',
  'ceremony pin': 'portcullis ceremony pin manifest.json --as alice',
  'ceremony compare': 'portcullis ceremony compare manifest.json --as bob',
  'ceremony rehearse-restore':
    'portcullis ceremony rehearse-restore backup-a backup-b backup-c --manifest manifest.json --addresses issued.jsonl --identity alice.age bob.age',
};

/** Puts each command's example under its help. */
export function addExamples(program: Command): void {
  for (const command of program.commands) addTo(command, command.name());
}

function addTo(command: Command, path: string): void {
  const example = examples[path];
  if (example !== undefined) command.addHelpText('after', `\nExample:\n  ${example}`);
  for (const inner of command.commands) addTo(inner, `${path} ${inner.name()}`);
}
