/** What a listener has to do with before there is a request. */
export class ConnectionFigures {
  open = 0;
  /** Connections that were closed at once, since there were as many as are permitted. */
  refused = 0;
  /** What was answered before it was a request, by status: it was malformed (400), too slow (408) or its headers too large (431). */
  readonly malformed = new Map<number, number>();

  countMalformed(status: number): void {
    this.malformed.set(status, (this.malformed.get(status) ?? 0) + 1);
  }
}
