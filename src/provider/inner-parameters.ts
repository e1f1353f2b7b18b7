import { spellingOf } from '../resources/index.ts';
import { renameNeeds } from './authentication-needs.ts';

/** The parameters of a request, form-encoded, as the engine takes them: it compares names and values byte by byte. */
export function innerParameters(parameters: string): string {
  return renameNeeds(spellResources(parameters));
}

/** Brings each resource to the spelling in which others are compared with it, and names each once. */
function spellResources(parameters: string): string {
  if (!/(?:^|&)resource=/.test(parameters)) return parameters;
  const form = new URLSearchParams(parameters);
  const sent = form.getAll('resource');
  const meant = [...new Set(sent.map(spellingOf))];
  if (meant.length === sent.length && meant.every((each, index) => each === sent[index])) return parameters;
  form.delete('resource');
  for (const each of meant) form.append('resource', each);
  return form.toString();
}
