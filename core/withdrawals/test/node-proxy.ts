/** A node behind a wire that can be cut: before a call arrives, after it was done and before its answer is back; or that garbles. */
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface NodeProxy {
  /** With the node's credentials in it. */
  readonly url: string;
  /** The method's next calls: `lost` never arrive, `unanswered` are done and nobody hears of it. */
  readonly cut: (method: string, how: 'lost' | 'unanswered', times: number) => void;
  /** The next calls, whatever they are, do not arrive and are answered with what no node says. */
  readonly garble: (times: number) => void;
  /** Until it is opened again, nothing arrives. */
  readonly shut: (isShut: boolean) => void;
  /** How often a cut hit. */
  readonly cuts: () => number;
  readonly stop: () => Promise<void>;
}

/** Another server's page, a broken line, an answer of the wrong shape, of none, and of the wrong type. */
const GARBAGE = ['<html>Bad Gateway</html>', '{"jsonrpc":"2.0","resu', '[]', '', '{"id":0,"result":"zz"}'];

export async function proxyOf(nodeUrl: string): Promise<NodeProxy> {
  const node = new URL(nodeUrl);
  const plans: { method: string; how: 'lost' | 'unanswered'; times: number }[] = [];
  let hits = 0;
  let garbled = 0;
  let shut = false;
  const server = createServer((incoming, outgoing) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      if (shut) return void outgoing.destroy();
      const body = Buffer.concat(parts);
      if (garbled > 0) {
        garbled -= 1;
        hits += 1;
        return void outgoing.end(GARBAGE[hits % GARBAGE.length]);
      }
      const plan = plans.find(({ method, times }) => times > 0 && body.includes(`"${method}"`));
      if (plan) {
        plan.times -= 1;
        hits += 1;
        if (plan.how === 'lost') return void outgoing.destroy();
      }
      const { hostname, port } = node;
      const headers = { ...incoming.headers, host: node.host };
      const onward = request({ hostname, port, method: 'POST', path: '/', headers }, (answer) => {
        if (plan) {
          answer.resume();
          answer.on('end', () => outgoing.destroy());
          return;
        }
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(outgoing);
      });
      onward.on('error', () => outgoing.destroy());
      onward.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(nodeUrl);
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    cut: (method, how, times) => void plans.push({ method, how, times }),
    garble: (times) => {
      garbled = times;
    },
    shut: (isShut) => {
      shut = isShut;
    },
    cuts: () => hits,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
