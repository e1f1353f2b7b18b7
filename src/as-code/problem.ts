import { closestName } from '../config/closest-name.ts';
import { shown } from '../input/index.ts';

/** A place in a file, each from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Something that is wrong in a file. */
export interface Problem extends Place {
  /** The record, as its file calls it; absent where that is not known. */
  readonly record?: string;
  /** The field, such as `envelope[0].scopes`. */
  readonly field?: string;
  /** What is wrong, as the end of a sentence whose beginning is the field. */
  readonly message: string;
  /** What stands there, where it is no secret. */
  readonly sent?: string;
  readonly permitted?: readonly string[];
  readonly didYouMean?: string;
}

/** How much of a list of permitted values is shown. */
const MAX_SHOWN = 12;

export function byPlace(a: Problem, b: Problem): number {
  return a.file === b.file ? a.line - b.line || a.column - b.column : a.file < b.file ? -1 : 1;
}

/** A problem on one line, as compilers write them, so that editors find the place. */
export function formatProblem(problem: Problem): string {
  const { file, line, column, record, field, message, sent, permitted = [], didYouMean } = problem;
  const about = [record, field].filter(part => part !== undefined).join(' ');
  const more = permitted.length > MAX_SHOWN ? `, and ${permitted.length - MAX_SHOWN} more` : '';
  return [
    `${file}:${line}:${column}: ${about === '' ? '' : `${about}: `}`,
    sent === undefined ? '' : `${JSON.stringify(shown(sent))} `,
    message,
    didYouMean === undefined ? '' : `; did you mean ${didYouMean}?`,
    permitted.length === 0 ? '' : `; permitted: ${permitted.slice(0, MAX_SHOWN).join(', ')}${more}`,
  ].join('');
}

/** The known name that was probably meant, as a member of a problem. */
export function didYouMean(sent: string, known: readonly string[]): Pick<Problem, 'didYouMean'> {
  const closest = closestName(sent, known);
  return closest === undefined ? {} : { didYouMean: closest };
}
