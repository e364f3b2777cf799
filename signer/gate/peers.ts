/**
 * Brings a vault's asks to its peers and their countersignatures back. It decides nothing: vaults sign and verify
 * both, and a peer that lacks entries is given them from this vault's journal, page by page.
 */
import { Agent, request } from 'node:https';
import type { Call } from '../protocol/messages.ts';
import type { GatePeer } from './config.ts';
import type { VaultProcess } from './vault-process.ts';

type Answer = Readonly<Record<string, unknown>>;

export interface PeerExchange {
  /** Asks the vault; whatever has to be held by peers first is brought to them. Rejects with GateError. */
  ask(call: Call, body: unknown, client: string): Promise<Answer>;
  close(): void;
}

interface Peer {
  readonly signer: string;
  /** Its answer, or why there is none. */
  readonly ask: (body: unknown) => Promise<Answer | string>;
  /** Number of the last entry that it is known to hold; undefined before its first answer. */
  holds: string | undefined;
  /** Ends with what it is being asked: an older ask that came after a newer one would look like a rollback. */
  turn: Promise<unknown>;
}

interface Awaiting {
  readonly id: number;
  readonly needed: number;
  readonly ask: { readonly sequence: string };
  readonly signature: string;
  readonly line: string;
}

/** A peer that does not answer is not waited for longer; those that do make the quorum. */
const ANSWER_WITHIN_MS = 10_000;
const ANSWER_BYTES_MAX = 1 << 16;
/** With each round everything has come to count that was under way before it. */
const ROUNDS_MAX = 8;
/** Of a journal of 10 million entries a peer holds nothing: that takes so many pages. */
const PAGES_MAX = 10_000;

export function openPeers(
  vault: VaultProcess,
  peers: readonly GatePeer[],
  tls: { readonly key: Buffer; readonly cert: Buffer },
): PeerExchange {
  const links = peers.map((peer) => linkTo(peer, tls));
  const exchange = { vault, peers: links.map(({ peer }) => peer) };
  let turn: Promise<unknown> = Promise.resolve();
  // One at a time, so that no own entry comes between an ask and its release.
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const mine = turn.then(act);
    turn = mine.catch(() => undefined);
    return mine;
  };
  let confirming: Promise<unknown> | undefined;
  const confirm = async (): Promise<unknown> => {
    confirming ??= committed(exchange, 'confirm', {}).finally(() => (confirming = undefined));
    return confirming;
  };
  const confirmed = async (act: () => Promise<Answer>): Promise<Answer> => {
    const answer = await act();
    if (answer['code'] !== 'UNCONFIRMED' || links.length === 0) return answer;
    await confirm();
    return act();
  };
  return {
    ask: async (call, body, client) => {
      if (call === 'sign' || call === 'evacuate')
        return inTurn(() => confirmed(() => committed(exchange, call, body)));
      if (call === 'countersign') return confirmed(() => answerOf(vault, call, body, client));
      const answer = await answerOf(vault, call, body, client);
      // Nobody waits for this: whoever is away answers before the first payment, or that is refused.
      if ((call === 'unseal' || call === 'manifest') && answer['ok'] === true && links.length > 0)
        confirm().catch(() => undefined);
      return answer;
    },
    close: () => links.forEach(({ close }) => close()),
  };
}

interface Exchange {
  readonly vault: VaultProcess;
  readonly peers: readonly Peer[];
}

/** The vault's answer to a call, once enough peers hold what it wrote for it. */
async function committed(exchange: Exchange, call: Call, body: unknown): Promise<Answer> {
  const { vault } = exchange;
  let answer = await answerOf(vault, call, body);
  for (let round = 0; 'awaiting' in answer && round < ROUNDS_MAX; round += 1) {
    const awaiting = answer['awaiting'] as Awaiting;
    const { countersignatures, reasons } = await gather(exchange, awaiting);
    answer = await answerOf(vault, 'release', { id: awaiting.id, countersignatures });
    if (answer['code'] === 'NOT_COUNTERSIGNED') {
      const detail = `${String(answer['detail'])}; ${reasons.join('; ')}`;
      return { ...answer, detail: detail.slice(0, 300) };
    }
  }
  if (!('awaiting' in answer)) return answer;
  const detail = `more came to count in each of ${ROUNDS_MAX} rounds`;
  return { ok: false, signer: answer['signer'], code: 'NOT_COUNTERSIGNED', detail };
}

interface Gathered {
  readonly countersignatures: { signer: string; signature: string }[];
  /** What those said that gave none. */
  readonly reasons: string[];
}

/** Asks all peers at once; ends with enough countersignatures, or when all have answered. */
function gather({ vault, peers }: Exchange, awaiting: Awaiting): Promise<Gathered> {
  return new Promise((resolve) => {
    const gathered: Gathered = { countersignatures: [], reasons: [] };
    const { countersignatures, reasons } = gathered;
    const end = (): void => {
      const all = countersignatures.length + reasons.length === peers.length;
      if (countersignatures.length >= awaiting.needed || all) resolve(gathered);
    };
    end();
    for (const peer of peers) {
      const isEnough = (): boolean => countersignatures.length >= awaiting.needed;
      const given = peer.turn.then(async () =>
        isEnough() ? 'was not needed' : askPeer(vault, peer, awaiting),
      );
      peer.turn = given.catch(() => undefined);
      const note = (answer: { signature: string } | string): void => {
        if (typeof answer === 'string') reasons.push(`${peer.signer}: ${answer}`);
        else countersignatures.push({ signer: peer.signer, signature: answer.signature });
        end();
      };
      given.then(note, (error: unknown) => note(error instanceof Error ? error.message : String(error)));
    }
  });
}

/** A peer's countersignature, or its reason for none. */
async function askPeer(
  vault: VaultProcess,
  peer: Peer,
  { ask, signature, line }: Awaiting,
): Promise<{ signature: string } | string> {
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const lines = peer.holds === undefined ? [] : await linesOf(vault, peer.holds, ask.sequence);
    const answer = await peer.ask({ ask, signature, line, lines });
    if (typeof answer === 'string') return answer;
    const { countersignature, holds } = answer;
    if (typeof countersignature === 'string') {
      peer.holds = ask.sequence;
      return { signature: countersignature };
    }
    if (typeof holds !== 'string') {
      peer.holds = undefined;
      return `${String(answer['code'])} ${String(answer['detail'])}`;
    }
    if (holds === peer.holds && lines.length > 0) return `does not take what follows entry ${holds}`;
    peer.holds = holds;
  }
  return 'takes too many pages';
}

/** Entries after a number, up to the one that the ask shows. */
async function linesOf(vault: VaultProcess, after: string, upTo: string): Promise<string[]> {
  const page = await answerOf(vault, 'journal', { after });
  const lines = Array.isArray(page['lines']) ? (page['lines'] as string[]) : [];
  return lines.slice(0, Math.max(0, Number(BigInt(upTo) - BigInt(after))));
}

const answerOf = async (vault: VaultProcess, call: Call, body: unknown, line?: string): Promise<Answer> =>
  (await vault.ask(call, body, line)) as Answer;

/** Mutual TLS 1.3; the peer's certificate is pinned, no authority is trusted. */
function linkTo(
  { signer, url, certificate }: GatePeer,
  tls: { readonly key: Buffer; readonly cert: Buffer },
): { peer: Peer; close: () => void } {
  const agent = new Agent({ keepAlive: true, ca: certificate, ...tls, minVersion: 'TLSv1.3' });
  const peer: Peer = {
    signer,
    holds: undefined,
    turn: Promise.resolve(),
    ask: async (body) => post(`${url}/v1/countersign`, agent, body),
  };
  return { peer, close: () => agent.destroy() };
}

function post(url: string, agent: Agent, body: unknown): Promise<Answer | string> {
  return new Promise((resolve) => {
    const outgoing = request(
      url,
      { agent, method: 'POST', headers: { 'content-type': 'application/json' }, timeout: ANSWER_WITHIN_MS },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          text += part;
          if (text.length > ANSWER_BYTES_MAX) outgoing.destroy(new Error('the answer is too large'));
        });
        response.on('error', (error) => resolve(error.message));
        response.on('end', () =>
          resolve(response.statusCode === 200 ? answerIn(text) : `answered ${response.statusCode}`),
        );
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')));
    outgoing.on('error', (error) => resolve(error.message));
    outgoing.end(JSON.stringify(body));
  });
}

function answerIn(text: string): Answer | string {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Answer) : 'no answer';
  } catch {
    return 'no answer';
  }
}
