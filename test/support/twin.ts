/** The order of P-256 (FIPS 186-5): a signature (r, s) and (r, n − s) verify alike. */
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** The same JWT with the other signature that its ES256 key verifies; anybody can make it without the key. */
export function twinOf(jwt: string): string {
  const [head, claims, signature = ''] = jwt.split('.');
  const [r, s] = [0, 32].map(at =>
    Buffer.from(signature, 'base64url')
      .subarray(at, at + 32)
      .toString('hex'),
  );
  const other = (N - BigInt(`0x${s}`)).toString(16).padStart(64, '0');
  return `${head}.${claims}.${Buffer.from(`${r}${other}`, 'hex').toString('base64url')}`;
}
