import { hash } from 'node:crypto';
import type { Context } from 'koa';
import { type ReadyAnswer, setReadyAnswer } from './ready-answer.ts';

/** A public JSON document that anybody may read from anywhere (CORS), as it is sent. */
export interface PreparedDocument {
  readonly headers: Readonly<Record<string, string>>;
  readonly answer: ReadyAnswer;
}

/** @param maxAgeSeconds how long it may be kept without asking again */
export function prepare(value: unknown, maxAgeSeconds: number): PreparedDocument {
  const body = JSON.stringify(value);
  const headers = {
    'Cache-Control': `public, max-age=${maxAgeSeconds}`,
    'Access-Control-Allow-Origin': '*',
    ETag: `"${hash('sha256', body, 'base64url')}"`,
    'Content-Type': 'application/json',
  };
  return { headers, answer: { status: 200, headers: Object.entries(headers).flat(), body } };
}

/** Answers with a document, or says that it has not changed (RFC 9110 section 13.1.2). */
export function answerPrepared(ctx: Context, { headers, answer }: PreparedDocument): void {
  if (ctx.headers['if-none-match'] === undefined && ctx.method === 'GET') {
    setReadyAnswer(ctx, answer);
    return;
  }
  ctx.set(headers);
  ctx.status = answer.status;
  if (ctx.fresh) ctx.status = 304;
  else ctx.body = answer.body;
}

/** Says to a browser that a page of any origin may read such a document, with whatever headers of its own (MCP clients send one). */
export function answerDocumentPreflight(ctx: Context): void {
  ctx.set({
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Allow-Methods': 'GET, HEAD',
    'Access-Control-Allow-Headers': '*',
    'Access-Control-Max-Age': '3600',
    Allow: 'GET, HEAD, OPTIONS',
  });
  ctx.status = 204;
}
