import type { Context } from 'koa';
import { Refused } from '../errors.ts';

export type MethodRefusal = 'method-not-allowed';

/** At a path that is somebody's, with a method that nobody takes there (RFC 9110 section 15.5.6). */
export function refuseMethod(ctx: Context, taken: ReadonlySet<string>): void {
  const methods = [...taken].filter(method => method !== 'OPTIONS');
  ctx.set('Allow', [...methods, 'OPTIONS'].join(', '));
  if (ctx.method !== 'OPTIONS') {
    throw new Refused<MethodRefusal>('method-not-allowed', { sent: ctx.method, permitted: methods });
  }
  ctx.status = 204;
}
