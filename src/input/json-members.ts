/**
 * Finds a member that stands twice in one object, however its name is spelt. Parsers take the first, the last or both (RFC 8259
 * section 4): what one of them has checked is not what another one does.
 *
 * @param text well-formed JSON
 * @returns the name of the first one; undefined where there is none
 */
export function repeatedMember(text: string): string | undefined {
  // The names of each object that is open; nothing for a list.
  const open: (Set<string> | undefined)[] = [];
  let isName = false;
  for (let index = 0; index < text.length; index += 1) {
    switch (text[index]) {
      case '{':
        open.push(new Set());
        isName = true;
        break;
      case '[':
        open.push(undefined);
        isName = false;
        break;
      case '}':
      case ']':
        open.pop();
        isName = false;
        break;
      case ',':
        isName = open.at(-1) !== undefined;
        break;
      case '"': {
        const end = endOfString(text, index);
        const names = open.at(-1);
        if (isName && names) {
          const name = JSON.parse(text.slice(index, end + 1)) as string;
          if (names.has(name)) return name;
          names.add(name);
        }
        isName = false;
        index = end;
        break;
      }
    }
  }
  return undefined;
}

/** Where the string ends that begins there. */
function endOfString(text: string, start: number): number {
  let index = start + 1;
  while (index < text.length && text[index] !== '"') index += text[index] === '\\' ? 2 : 1;
  return index;
}

/**
 * Parses JSON that comes from outside, in which each member stands once.
 *
 * @throws {SyntaxError}
 */
export function parseUniqueJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (repeatedMember(text) !== undefined) throw new SyntaxError('a member of the JSON is there twice');
  return value;
}
