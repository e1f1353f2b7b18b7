/**
 * Text, and what it must not carry along: what may be a secret, marks of HTML, the case of a name.
 *
 * Not here: what comes from outside and has a form (`input/`), and the text of records in the trail (`audit/untrusted-text.ts`).
 */
export { escapeHtml } from './escape-html.ts';
export { nameKeyOf } from './name-key.ts';
export { withoutSecrets } from './secret-text.ts';
