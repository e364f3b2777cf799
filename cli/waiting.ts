/** Says on a terminal that an answer is being waited for; a script and a file see nothing of it. */
export interface Waiting {
  readonly begin: () => void;
  readonly end: () => void;
}

/** Nobody needs to be told of less. */
const QUIET_MS = 2_000;
const EVERY_MS = 500;
const CLEAR = '\r\u001b[K';

export function makeWaiting(
  terminal: { readonly isTTY?: boolean; readonly write: (text: string) => unknown },
  { quietMs = QUIET_MS, everyMs = EVERY_MS } = {},
): Waiting {
  let timer: NodeJS.Timeout | undefined;
  let waitedMs = 0;
  const tick = (): void => {
    waitedMs += everyMs;
    if (waitedMs >= quietMs)
      terminal.write(`${CLEAR}waiting for an answer, ${Math.floor(waitedMs / 1000)} s …`);
  };
  return {
    begin: () => {
      if (terminal.isTTY !== true) return;
      clearInterval(timer);
      waitedMs = 0;
      timer = setInterval(tick, everyMs).unref();
    },
    end: () => {
      clearInterval(timer);
      if (waitedMs >= quietMs) terminal.write(CLEAR);
      waitedMs = 0;
    },
  };
}
