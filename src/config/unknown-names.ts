import { closestName } from './closest-name.ts';

/**
 * Names that look like settings and are none: a mistyped one would leave its setting at the default without a word.
 *
 * @param known every name there is
 * @returns a problem a line
 */
export function unknownNames(env: NodeJS.ProcessEnv, known: ReadonlySet<string>): string[] {
  // Also in lower case: nobody else's variable begins like this.
  const unknown = Object.keys(env)
    .filter(name => /^COUNTERSIGN_(?!TEST_)/i.test(name) && !known.has(name))
    .sort();
  const kubernetes = unknown.filter(name => KUBERNETES_LINK.test(name));
  const names = [...known].map(name => name.slice(PREFIX.length));
  const problems = unknown
    .filter(name => !KUBERNETES_LINK.test(name))
    .map(name => {
      const closest = closestName(name.slice(PREFIX.length).toUpperCase(), names);
      const hint =
        closest === undefined
          ? 'permitted: the names in docs/configuration.md'
          : `did you mean ${PREFIX}${closest}?`;
      return `${name}: no such setting; ${hint}`;
    });
  if (kubernetes.length > 0) {
    problems.push(`${kubernetes.join(', ')}: set by Kubernetes ${SERVICE_LINKS}`);
  }
  return problems;
}

const PREFIX = 'COUNTERSIGN_';

/** Kubernetes describes each Service of a namespace to each pod by variables of these forms. */
const KUBERNETES_LINK = /^COUNTERSIGN_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)$/;

/** How that is stopped; completes "Kubernetes sets this …". */
export const SERVICE_LINKS =
  'for a Service named "countersign": say enableServiceLinks: false in the pod\'s spec, or rename the Service';
