/**
 * Text, and what it must not carry along: what may be a secret, marks of HTML, what nobody sees, the case of a name.
 *
 * Not here: what comes from outside and has a form (`input/`).
 */
export { escapeHtml } from './escape-html.ts';
export { replaceDeceptive } from './joiners.ts';
export { nameKeyOf } from './name-key.ts';
export { normalHost } from './normal-host.ts';
export { withoutSecrets } from './secret-text.ts';
export { untrustedText, visibleText } from './untrusted-text.ts';
