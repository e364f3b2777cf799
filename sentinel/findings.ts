/** What was found, newest first, each thing once; whatever stops payments is brought to the freezer. */
import type { Finding } from './checks/finding.ts';

export interface Findings {
  readonly judge: (finding: Finding) => Promise<void>;
  readonly all: readonly (Finding & { readonly at: number })[];
}

const KEPT = 200;

export function openFindings(deps: {
  readonly freeze: (finding: Finding) => Promise<void>;
  readonly nowMs: () => number;
  readonly log: (line: string) => void;
}): Findings {
  const all: (Finding & { at: number })[] = [];
  return {
    all,
    judge: async (finding) => {
      const { key, code, level, scope, detail } = finding;
      if (!all.some((known) => known.key === key && known.code === code)) {
        deps.log(`${level} ${code} ${scope}: ${detail}`);
        all.unshift({ ...finding, at: deps.nowMs() });
        all.length = Math.min(all.length, KEPT);
      }
      if (level === 'freeze') await deps.freeze(finding);
    },
  };
}
