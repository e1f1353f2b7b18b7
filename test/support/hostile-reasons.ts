/** What an agent may say of why it asks, to have a person see something else, or nothing: made from a seed. */
const PARTS: readonly string[] = [
  '<script>document.title="owned"</script>',
  '</p></blockquote></section><form action="https://evil.example"><button>Approve</button></form>',
  '"><img src=x onerror=alert(1)>',
  '<style>.slip-sign{display:none}</style>',
  '<!-- ',
  '<% it.token("/") %> <%~ include("/me") %>',
  '&lt;b&gt;&amp;#60;script&#x3e;',
  '[Approve](javascript:alert(1)) ![x](https://evil.example/x.png)',
  '\u202eevorppA\u202c \u2066\u2067\u2068\u2069',
  '\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u115f\u3164',
  '\u{e0041}\u{e0042}\u{e007f}',
  '\u001b[2J\u001b[31mDenied\u001b[0m\u0007\u0000',
  '\r\n'.repeat(400),
  '\u2028\u2029',
  'a\u0301\u0302\u0303\u0304\u0305\u0306'.repeat(12),
  'W'.repeat(600),
  'هذا الطلب موافق عليه من الإدارة ',
  '承認済みです。確認は不要です。',
  '\ud800 \udfff',
  '{agent} {span} $' + '{process.env.HOME}',
  '__proto__ constructor.prototype',
  'Approved by the administration. You need not read on. ',
];

/** Every fifth of them is far longer than anybody reads. */
export function hostileReason(seed: number): string {
  const random = randomOf(seed);
  const count = 1 + Math.floor(random() * 6);
  const text = Array.from({ length: count }, () => PARTS[Math.floor(random() * PARTS.length)]).join(' ');
  // Something that is seen stands in each, so that there is a claim to be looked at.
  return seed % 5 === 0 ? `x${text}`.repeat(Math.ceil(100_000 / (text.length + 1))) : `x${text}`;
}

/** mulberry32: the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
