import type { Context } from 'koa';
import type { RequestMeter } from '../observability/index.ts';
import { oauthErrorBody, oauthErrorStatus } from './oauth-error.ts';
import { JSON_ERROR_TYPE, type ReadyAnswer, setReadyAnswer } from './ready-answer.ts';

/**
 * The answer to a poll while nobody has decided. It is an error by its form alone (RFC 8628 section 3.5): nothing was refused and nothing
 * is recorded, so that no reference would lead anywhere. Agents ask for it again and again, and all get the same bytes.
 *
 * @param docsUrl where the page about errors is
 */
export function pendingAnswer(docsUrl: string, meter: RequestMeter): (ctx: Context) => void {
  const reason = 'elevation-pending';
  const answer: ReadyAnswer = {
    status: oauthErrorStatus(reason),
    headers: ['Cache-Control', 'no-store', 'Content-Type', JSON_ERROR_TYPE],
    body: oauthErrorBody(reason, {}, docsUrl),
  };
  return ctx => {
    meter.countRefusal(ctx.path, `oauth/${reason}`);
    setReadyAnswer(ctx, answer);
  };
}
