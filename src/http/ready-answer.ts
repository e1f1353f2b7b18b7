import type { Context } from 'koa';

/**
 * An answer that is whole before it is sent: status, headers as names and values in turn, and a text. The shell writes it in one
 * go, without Koa's rendering of it, which costs as much as all of an introspection's own work.
 */
export interface ReadyAnswer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
}

const JSON_HEADERS = ['Cache-Control', 'no-store', 'Content-Type', 'application/json'];
/** Of every error of an OAuth endpoint. */
export const JSON_ERROR_TYPE = 'application/json; charset=utf-8';

/** Answers with JSON that nobody may keep, as every answer with a token in it must be (RFC 6749 section 5.1). */
export function answerJson(ctx: Context, body: string): void {
  setReadyAnswer(ctx, { status: 200, headers: JSON_HEADERS, body });
}

export function setReadyAnswer(ctx: Context, answer: ReadyAnswer): void {
  ctx.state['readyAnswer'] = answer;
}

export function readyAnswer(ctx: Context): ReadyAnswer | undefined {
  return ctx.state['readyAnswer'];
}
