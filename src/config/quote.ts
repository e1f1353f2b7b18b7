/** A value for an error line: on one line, of bounded length, and without the password of a URL put in the wrong place. */
export function quote(value: string): string {
  const shown = value.replace(/\/\/[^@/]*@/g, '//…@');
  return JSON.stringify(shown.length > 200 ? `${shown.slice(0, 200)}…` : shown);
}
