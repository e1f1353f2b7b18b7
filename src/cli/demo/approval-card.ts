import { decoded } from './browser.ts';
import { claim } from './narrator.ts';

/** What a card says to whoever may countersign (`views/approval.eta`), as they read it. */
export interface ApprovalCard {
  readonly says: string;
  /** Under "Who, where, how long". */
  readonly facts: ReadonlyMap<string, string>;
  /** Each scope, whether the agent has it now, and what it would have. */
  readonly rows: readonly { readonly what: string; readonly now: string; readonly then: string }[];
  readonly risk: string;
  /** What is said before the reason, and the reason. */
  readonly before: string;
  readonly reason: string;
  readonly bindingCode: string;
}

/** The requests that a page of what waits leads to, each once. */
export function waitingOn(inbox: string): readonly string[] {
  const [, waiting = ''] =
    /<section class="first" aria-labelledby="waiting">([\s\S]*?)<\/section>/.exec(inbox) ?? [];
  return [...waiting.matchAll(/ href="[^"]*\/approvals\/(elv_[0-9a-f]{32})"/g)].map(([, id = '']) => id);
}

/** @throws {StepFailed} where the page has no such card */
export function readCard(page: string): ApprovalCard {
  const read = (pattern: RegExp): string => {
    const [, found] = pattern.exec(page) ?? [];
    claim(found !== undefined, `the page has no card: nothing like ${pattern}`);
    return plain(found);
  };
  const cells = (row: string) =>
    [...row.matchAll(/<t[hd][^>]*>([\s\S]*?)<\/t[hd]>/g)].map(([, cell = '']) => plain(cell));
  const [, body = ''] = /<tbody>([\s\S]*?)<\/tbody>/.exec(page) ?? [];
  return {
    says: read(/<h1 class="says"[^>]*>([\s\S]*?)<\/h1>/),
    facts: new Map(
      [...page.matchAll(/<dt>([\s\S]*?)<\/dt><dd>([\s\S]*?)<\/dd>/g)].map(
        ([, label = '', value = '']) => [plain(label), plain(value)] as const,
      ),
    ),
    rows: [...body.matchAll(/<tr>([\s\S]*?)<\/tr>/g)].map(([, row = '']) => {
      const [what = '', now = '', then = ''] = cells(row);
      return { what, now, then };
    }),
    risk: read(/<p class="risk"[^>]*>([\s\S]*?)<\/p>/),
    before: read(/<h2 id="why">([\s\S]*?)<blockquote/),
    reason: read(/<blockquote[^>]*>([\s\S]*?)<\/blockquote>/),
    bindingCode: read(/<p class="binding">[\s\S]*?<code>([\s\S]*?)<\/code>/),
  };
}

function plain(html: string): string {
  return decoded(html.replaceAll(/<[^>]*>/g, ' '))
    .replaceAll(/\s+/g, ' ')
    .trim();
}
