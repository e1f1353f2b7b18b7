/** A list that comes in pages: awaited it is the first page, iterated over it is every record of all pages. */
export interface Pages<Item> extends Promise<PageOf<Item>>, AsyncIterable<Item> {}

export interface PageOf<Item> {
  readonly items: readonly Item[];
  /** What to send as `after` for the next page; absent on the last. */
  readonly next?: string | undefined;
}

/** @param getPage gets the page after a cursor; the first one without */
export function pagesOf<Item>(getPage: (after?: string) => Promise<PageOf<Item>>): Pages<Item> {
  const first = getPage();
  return Object.assign(first, {
    async *[Symbol.asyncIterator](): AsyncGenerator<Item, void> {
      let page = await first;
      for (;;) {
        yield* page.items;
        if (page.next === undefined) return;
        page = await getPage(page.next);
      }
    },
  });
}
