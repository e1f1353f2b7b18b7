/** What was looked at, what was found there, and how to mend it where it is not as it should be. */
export interface Finding {
  readonly check: string;
  /** `bad`: it does not work, or is not safe. `warning`: it works, and somebody should know. */
  readonly verdict: 'ok' | 'warning' | 'bad';
  readonly found: string;
  readonly mend?: string;
}

export function ok(check: string, found: string): Finding {
  return { check, verdict: 'ok', found };
}

export function warning(check: string, found: string, mend: string): Finding {
  return { check, verdict: 'warning', found, mend };
}

export function bad(check: string, found: string, mend: string): Finding {
  return { check, verdict: 'bad', found, mend };
}
