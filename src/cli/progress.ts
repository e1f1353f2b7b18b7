/** Shows how far long work has come: on a terminal at once and in place, elsewhere a line every ten seconds. */
export function showProgress(): (step: string, done: number) => void {
  const isTerminal = process.stderr.isTTY;
  let shownAt = performance.now();
  let shown = '';
  return (step, done) => {
    const text = `${step} ${Math.floor(done * 100)} %`;
    const now = performance.now();
    const isDue = isTerminal ? text !== shown : now - shownAt > 10_000;
    if (!isDue) return;
    shown = text;
    shownAt = now;
    process.stderr.write(isTerminal ? `\r${text.padEnd(20)}${done >= 1 ? '\r\u001b[K' : ''}` : `${text}\n`);
  };
}
