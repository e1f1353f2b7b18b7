/**
 * The records of a server as files: what is written in YAML, compared with what is there, and made so.
 *
 * ```
 * files → readDocuments → planFleet (with readFleet) → showPlan → applyPlan
 *                         exportDocuments ← readFleet
 * ```
 *
 * Everything but `readFleet` and `applyPlan` is pure, and those two know nothing but the client of the admin API.
 */
export { type ApplyReport, applyPlan, type NewSecret } from './apply-plan.ts';
export { nameOf } from './document.ts';
export { documentsJsonSchema } from './documents-schema.ts';
export { exportDocuments } from './export-documents.ts';
export { readFleet } from './fleet.ts';
export { type Plan, type Prune, planFleet } from './plan.ts';
export { byPlace, formatProblem, type Problem } from './problem.ts';
export { readDocuments, type SourceFile } from './read-documents.ts';
export { showPlan } from './show-plan.ts';
