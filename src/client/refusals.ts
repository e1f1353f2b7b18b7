/** What is known of a refusal, from a problem (RFC 9457). */
interface Problem {
  readonly type?: unknown;
  readonly title?: unknown;
  readonly detail?: unknown;
  readonly parameter?: unknown;
  readonly sent?: unknown;
  readonly permitted?: unknown;
}

/** The API has refused a call. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly status: number;
  /** The kind of problem, as a URL where one can read about it. */
  readonly type: string;
  /** The name of the problem: the last part of `type`. `unknown` where the answer was no problem. */
  readonly code: string;
  readonly title: string;
  readonly detail: string | undefined;
  /** What was at fault. */
  readonly parameter: string | undefined;
  readonly sent: string | undefined;
  /** What would have been accepted. */
  readonly permitted: readonly string[];
  /** The reference of the refusal in the server's trail and log. */
  readonly ref: string | undefined;

  constructor(status: number, problem: Problem, ref: string | undefined) {
    const title = textOf(problem.title) ?? `the server answered ${status}`;
    const detail = textOf(problem.detail);
    super([title, detail, ref && `(${ref})`].filter(Boolean).join(': '));
    this.status = status;
    this.type = textOf(problem.type) ?? 'about:blank';
    this.code = /#([\w-]+)$/.exec(this.type)?.[1] ?? 'unknown';
    this.title = title;
    this.detail = detail;
    this.parameter = textOf(problem.parameter);
    this.sent = textOf(problem.sent);
    this.permitted = Array.isArray(problem.permitted) ? problem.permitted.map(String) : [];
    this.ref = ref;
  }
}

/** The token endpoint has refused to give a token for the API (RFC 6749 section 5.2). */
export class TokenError extends Error {
  override readonly name = 'TokenError';
  readonly status: number;
  /** The code, such as `invalid_client`. */
  readonly error: string;
  readonly description: string | undefined;
  readonly ref: string | undefined;

  constructor(
    status: number,
    answer: { readonly error?: unknown; readonly error_description?: unknown },
    ref: string | undefined,
  ) {
    const error = textOf(answer.error) ?? `the server answered ${status}`;
    const description = textOf(answer.error_description);
    super([error, description, ref && `(${ref})`].filter(Boolean).join(': '));
    this.status = status;
    this.error = error;
    this.description = description;
    this.ref = ref;
  }
}

/** The refusal in an answer, whatever its body is. */
export async function readRefusal<R>(
  response: Response,
  Kind: new (status: number, body: object, ref: string | undefined) => R,
): Promise<R> {
  const body: unknown = await response.json().catch(() => undefined);
  const isObject = typeof body === 'object' && body !== null;
  return new Kind(response.status, isObject ? body : {}, response.headers.get('error-ref') ?? undefined);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
