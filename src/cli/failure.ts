/** How every verb ends. Scripts rely on these: a number never gets another meaning. */
export const EXIT = {
  /** It is done. */
  done: 0,
  /** It was refused, failed, or found something wrong. */
  failed: 1,
  /** What was typed, a file that it names, or the configuration is not permitted. Nothing was sent. */
  usage: 2,
  /** Nobody is signed in, the credentials are not accepted, or they do not permit this. */
  notPermitted: 3,
  /** There is no such record. */
  notFound: 4,
  /** The server cannot be reached, or cannot answer now. Trying again is worth while. */
  unreachable: 5,
  /** There is a difference, where it was asked to tell so. */
  differs: 6,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** What is told about a failure besides its sentence: a name, and what stands behind it. */
export type Facts = Readonly<Record<string, string | readonly string[] | undefined>>;

/** A verb cannot do what it was told to. The message is a sentence for whoever typed it; it never has a secret in it. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly exitCode: ExitCode;
  readonly facts: Facts;

  constructor(exitCode: ExitCode, message: string, facts: Facts = {}, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
    this.facts = facts;
  }
}
