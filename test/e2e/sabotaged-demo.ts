/** The demo with an MCP server that does not do its part. Run with the name of a sabotage. */
import { runDemo } from '../../src/cli/demo/run-demo.ts';

export type Sabotage = 'trusting' | 'generous' | 'caching';

type Answer = Record<string, unknown>;

const answered = new Map<string, Answer>();

/** Each is given the answer to an introspection and returns the one that the MCP server hears instead. */
const SABOTAGES: Readonly<Record<Sabotage, (answer: Answer, token: string) => Answer>> = {
  trusting: answer => {
    const [known = answer] = answered.values();
    return { ...known, active: true };
  },
  // Not at once: the story looks at the first answer closely.
  generous: (answer, token) =>
    answered.has(token) ? { ...answer, scope: 'orders:read orders:write orders:refund' } : answer,
  caching: (answer, token) => answered.get(token) ?? answer,
};

const change = SABOTAGES[process.argv[2] as Sabotage];

process.exit(
  await runDemo({
    once: true,
    useColour: false,
    print: line => console.log(line),
    signal: new AbortController().signal,
    mcpServerFetch: async (input, init) => {
      const response = await fetch(input, init);
      if (!(init?.body instanceof URLSearchParams)) return response;
      const token = init.body.get('token') ?? '';
      const heard = change((await response.json()) as Answer, token);
      if (!answered.has(token)) answered.set(token, heard);
      return Response.json(heard);
    },
  }),
);
