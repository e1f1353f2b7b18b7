/** One HTTP request and what came back, as the story tells it. */
export interface Exchange {
  readonly method: string;
  readonly url: URL;
  readonly status: number;
  /** The form that was sent, where it was one. */
  readonly form?: URLSearchParams;
  /** The error code of the answer (RFC 6749 section 5.2, RFC 6750 section 3.1). */
  readonly error?: string;
  readonly errorDescription?: string;
  /** The scopes that a challenge asks for. */
  readonly challengedScope?: string;
  /** When the answer came, on the clock of `performance.now()`. */
  readonly answeredAt: number;
  /** The answer, where it is JSON. */
  readonly json?: Readonly<Record<string, unknown>>;
}

/** A `fetch` that notes every exchange. It changes nothing of them. */
export function watchedFetch(note: (exchange: Exchange) => void, via: typeof fetch = fetch): typeof fetch {
  return async (input, init) => {
    const response = await via(input, init);
    const answeredAt = performance.now();
    const challenge = response.headers.get('www-authenticate') ?? '';
    const json = await readJson(response);
    const error = text(json?.['error']) ?? challengeMember(challenge, 'error');
    const errorDescription =
      text(json?.['error_description']) ?? challengeMember(challenge, 'error_description');
    const challengedScope = challengeMember(challenge, 'scope');
    note({
      method: init?.method ?? 'GET',
      url: new URL(input instanceof Request ? input.url : input),
      status: response.status,
      answeredAt,
      ...(init?.body instanceof URLSearchParams && { form: init.body }),
      ...(error !== undefined && { error }),
      ...(errorDescription !== undefined && { errorDescription }),
      ...(challengedScope !== undefined && { challengedScope }),
      ...(json && { json }),
    });
    return response;
  };
}

async function readJson(response: Response): Promise<Record<string, unknown> | undefined> {
  if (!response.headers.get('content-type')?.startsWith('application/json')) return undefined;
  return (await response.clone().json()) as Record<string, unknown>;
}

function challengeMember(challenge: string, name: string): string | undefined {
  return new RegExp(`(?:^|[ ,])${name}="([^"]*)"`).exec(challenge)?.[1];
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
