/** The demo with a part that does something else than it says. Run with the names of sabotages: each plays the demo once. */
import { runDemo } from '../../src/cli/demo/run-demo.ts';
import type { Via } from '../../src/cli/demo/stage.ts';

type Answer = Record<string, unknown>;
type Fetch = typeof fetch;

/** What a part hears instead of what it was answered. Made anew for each play. */
type Sabotage = () => Partial<Via>;

/** The MCP server hears something else of a token than it was told. @param change is also given what was heard of it before */
function mishearing(
  change: (answer: Answer, before: Answer | undefined, all: readonly Answer[]) => Answer,
): Sabotage {
  return () => {
    const heardOf = new Map<string, Answer>();
    return {
      mcpServer: async (input, init) => {
        const response = await fetch(input, init);
        if (!(init?.body instanceof URLSearchParams)) return response;
        const token = init.body.get('token') ?? '';
        const heard = change((await response.json()) as Answer, heardOf.get(token), [...heardOf.values()]);
        if (!heardOf.has(token)) heardOf.set(token, heard);
        return Response.json(heard);
      },
    };
  };
}

/** A part gets its answer to one kind of request from elsewhere. */
function answering(
  part: keyof Via,
  isMeant: (path: string, init: RequestInit | undefined) => boolean,
  answer: (send: () => Promise<Response>, init: RequestInit | undefined) => Promise<Response>,
): Sabotage {
  return () => ({
    [part]: ((input, init) => {
      const url = new URL(input instanceof Request ? input.url : input);
      const send = () => fetch(input, init);
      return isMeant(url.pathname, init) ? answer(send, init) : send();
    }) satisfies Fetch,
  });
}

const isExchange = (path: string, init: RequestInit | undefined): boolean =>
  path === '/token' && String(init?.body).includes('token-exchange');
const isPost = (init: RequestInit | undefined): boolean => init?.method === 'POST';
const isPoll = (path: string, init: RequestInit | undefined): boolean =>
  path === '/token' && String(init?.body).includes('grant-type%3Adeferred');
const isCountersigned = (answer: Answer | undefined): boolean => answer?.['approval'] !== undefined;
const isDelegated = (answer: Answer | undefined): boolean =>
  answer?.['delegation_id'] !== undefined && !isCountersigned(answer);
/** A page that says something else. */
const rewritten = async (
  send: () => Promise<Response>,
  change: (page: string) => string,
): Promise<Response> => {
  const response = await send();
  if (!response.ok) return response;
  return new Response(change(await response.text()), { headers: response.headers });
};
const isCard = (path: string): boolean => /^\/approvals\/elv_\w+$/.test(path);
const leadTo = (location: string): Response => new Response(null, { status: 303, headers: { location } });

const SABOTAGES = {
  trusting: mishearing((answer, _before, [known = answer]) => ({ ...known, active: true })),
  // Not at once: the story looks at the first answer closely.
  generous: mishearing((answer, before) =>
    before ? { ...answer, scope: 'orders:read orders:write orders:refund' } : answer,
  ),
  caching: mishearing((answer, before) => before ?? answer),

  unrestored: answering(
    'administrator',
    path => path.endsWith('/restore'),
    async () => Response.json({ status: 'active' }),
  ),
  pretending: () => {
    let isSignedIn = false;
    return {
      browser: async (input, init) => {
        const { pathname } = new URL(input instanceof Request ? input.url : input);
        if (pathname === '/sign-in/factor' && isPost(init)) {
          isSignedIn = true;
          return leadTo('/me');
        }
        if (isSignedIn) return new Response('<p>Signed in as Alice Owner.</p>');
        return fetch(input, init);
      },
    };
  },
  ungiving: answering(
    'browser',
    (path, init) => path === '/me/delegations' && isPost(init),
    async () => leadTo(`/me?given=dlg_${'0'.repeat(32)}`),
  ),
  widening: answering('agent', isExchange, async send => {
    const answer = (await (await send()).json()) as Answer;
    return Response.json({ ...answer, scope: 'orders:read orders:write' });
  }),
  actless: mishearing(({ act, ...answer }) => answer),
  misnaming: mishearing(answer =>
    isDelegated(answer) ? { ...answer, sub: `usr_${'b'.repeat(32)}` } : answer,
  ),
  yielding: () => {
    let granted: Answer | undefined;
    return answering('agent', isExchange, async send => {
      const response = await send();
      if (response.ok) granted = (await response.clone().json()) as Answer;
      return response.ok ? response : Response.json(granted);
    })();
  },
  lingering: mishearing((answer, before) => (before && isDelegated(before) ? before : answer)),
  rash: answering('agent', isPoll, async () =>
    Response.json({ access_token: `cs_at_${'x'.repeat(48)}`, token_type: 'Bearer', expires_in: 60 }),
  ),
  forging: answering('browser', isCard, send =>
    rewritten(send, page => page.replace(/(class="binding">.*<code>)[^<]+/, '$12222-2222')),
  ),
  rewording: answering('browser', isCard, send =>
    rewritten(send, page => page.replace('came broken', 'is lost')),
  ),
  unsigning: answering(
    'browser',
    path => path.endsWith('/approve'),
    async () => leadTo('/approvals'),
  ),
  stretching: answering('agent', isPoll, async send => {
    const response = await send();
    if (!response.ok) return response;
    return Response.json({
      ...((await response.json()) as Answer),
      scope: 'orders:read orders:write orders:refund',
    });
  }),
  anonymous: mishearing(({ approval, ...answer }) => answer),
  repeating: () => {
    let granted: Answer | undefined;
    return answering('agent', isPoll, async send => {
      const response = await send();
      if (response.ok) granted = (await response.clone().json()) as Answer;
      return granted ? Response.json(granted) : response;
    })();
  },
  sharing: () => {
    let granted: Answer | undefined;
    return answering('agent', isPoll, async (send, init) => {
      const response = await send();
      if (response.ok) granted = (await response.clone().json()) as Answer;
      const isOther = new Headers(init?.headers).has('authorization');
      return granted && isOther ? Response.json(granted) : response;
    })();
  },
  recycling: () => {
    let isApproved = false;
    return {
      browser: async (input, init) => {
        const { pathname } = new URL(input instanceof Request ? input.url : input);
        if (pathname.endsWith('/approve')) isApproved = true;
        return isApproved && pathname === '/sign-in/factor' && isPost(init)
          ? leadTo('/me')
          : fetch(input, init);
      },
    };
  },
  immortal: mishearing((answer, before) => (before && isCountersigned(before) ? before : answer)),
  // As the server would, which is never asked.
  shrugging: () => {
    let isGranted = false;
    return answering('agent', isPoll, async send => {
      if (isGranted) return Response.json({ error: 'invalid_grant' }, { status: 400 });
      const response = await send();
      isGranted = response.ok;
      return response;
    })();
  },
  unending: answering(
    'browser',
    path => path.endsWith('/end'),
    async () => leadTo('/me'),
  ),
  severing: () => {
    let isOver = false;
    return mishearing((answer, before) => {
      if (isDelegated(before) && answer['active'] === false) isOver = true;
      return isOver && before ? { active: false } : answer;
    })();
  },
  // The answer is right to the letter, and the server was never asked.
  feigning: answering('agent', isExchange, async (send, init) => {
    const scope = new URLSearchParams(String(init?.body)).get('scope');
    if (scope === null || String(init?.body).includes('completion_mode')) return send();
    const description = `no ${scope}: repeat the request with completion_mode=deferred`;
    return Response.json({ error: 'invalid_scope', error_description: description }, { status: 400 });
  }),
} as const satisfies Readonly<Record<string, Sabotage>>;

export type SabotageName = keyof typeof SABOTAGES;

let exitCode = 0;
for (const name of process.argv.slice(2) as SabotageName[]) {
  console.log(`== ${name}`);
  const code = await runDemo({
    once: true,
    useColour: false,
    print: line => console.log(line),
    signal: new AbortController().signal,
    via: SABOTAGES[name](),
  });
  console.log(`== ${name} ended with ${code}`);
  exitCode = Math.max(exitCode, code);
}
process.exit(exitCode);
