/** Reads what one run of AVA tells in TAP, of which file each result is, and prints it as it comes. */
export interface TestResult {
  readonly title: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** What a failed test said. */
  readonly said: readonly string[];
}

/** What came of a file. */
export interface FileRun {
  readonly file: string;
  readonly seconds: number;
  readonly results: readonly TestResult[];
}

interface Collected {
  readonly file: string;
  seconds: number;
  readonly results: TestResult[];
}

const SIGNS = { passed: '✔', failed: '✘', skipped: '-' };

export class ResultReader {
  readonly #files: readonly Collected[];
  /** What AVA puts before the titles of each file: nothing where there is one. */
  readonly #prefixes: readonly string[];
  /** The file that was heard of last. */
  #heard: Collected;
  #heardAt = performance.now();
  /** What the last result says, if it is a failure. */
  #said: string[] | undefined;
  /** Failures that name no file, such as a stray exception: the file ends by them and is named next. */
  readonly #nameless: TestResult[] = [];
  /** AVA has told its count, and not ended before. */
  #isWhole = false;

  /** @param files in the order in which they run, one after the other */
  constructor(files: readonly [string, ...string[]]) {
    const [first, ...rest] = files.map((file): Collected => ({ file, seconds: 0, results: [] }));
    this.#heard = first as Collected;
    this.#files = [this.#heard, ...rest];
    const folder = commonFolder(files);
    this.#prefixes = files.map(file => (files.length === 1 ? '' : `${nameOf(file.slice(folder.length))} › `));
  }

  get runs(): readonly FileRun[] {
    return this.#files;
  }

  read(line: string): void {
    const result = /^(not )?ok \d+ - (.*?)(?: # (SKIP|TODO).*)?$/.exec(line);
    if (result) {
      const [, isFailure, title = '', directive] = result;
      this.#note(title, directive ? 'skipped' : isFailure ? 'failed' : 'passed');
      return;
    }
    if (/^1\.\.\d+/.test(line)) this.#isWhole = true;
    const isDetail = /^\s/.test(line);
    if (isDetail) this.#said?.push(line);
    if (isDetail ? this.#said : /^#(?! (tests|pass|fail|skip|todo))/.test(line)) console.log(line);
  }

  /**
   * The run is over. A file that could not be loaded, or a process that died, is a failure even where no test says so.
   *
   * @returns the files of which nothing was heard, though AVA ended by another: they have not been run
   */
  end(exitCode: number | null): readonly string[] {
    if (this.#nameless.length > 0) this.#keep(this.#heard, []);
    const unheard = this.#files.filter(({ results }) => results.length === 0);
    const isTold = this.#files.some(({ results }) => results.some(({ outcome }) => outcome === 'failed'));
    const isAlone = this.#files.length === 1;
    if (!this.#isWhole || (exitCode !== 0 && !isTold) || (isAlone && unheard.length > 0)) {
      // Of several, the one that killed AVA may be the next one as well, which runs again then.
      this.#heard.results.push({
        title: `${nameOf(this.#heard.file)} › the file could not be run to its end`,
        outcome: 'failed',
        said: [`    AVA ended with ${exitCode}`],
      });
      console.log(`✘ ${this.#heard.results.at(-1)?.title}`);
    }
    return isAlone ? [] : unheard.map(({ file }) => file);
  }

  #note(told: string, outcome: TestResult['outcome']): void {
    const at = this.#prefixes.findIndex(prefix => told.startsWith(prefix));
    const of =
      this.#files[at] ?? (outcome === 'failed' && this.#files.find(({ file }) => told.includes(file)));
    const name = of ? `${nameOf(of.file)} › ` : '';
    const title = `${name}${at === -1 ? told : told.slice(this.#prefixes[at]?.length)}`;
    const said: string[] = [];
    this.#said = outcome === 'failed' ? said : undefined;
    console.log(`${SIGNS[outcome]} ${title}`);
    if (of) this.#keep(of, [{ title, outcome, said }]);
    else this.#nameless.push({ title, outcome, said });
  }

  #keep(of: Collected, results: readonly TestResult[]): void {
    const nameless = this.#nameless.splice(0);
    of.results.push(
      ...nameless.map(each => ({ ...each, title: `${nameOf(of.file)} › ${each.title}` })),
      ...results,
    );
    const now = performance.now();
    of.seconds += (now - this.#heardAt) / 1000;
    this.#heardAt = now;
    this.#heard = of;
  }
}

/** `test/http/lists.test.ts` as a reader sees it: `http › lists`. */
function nameOf(file: string): string {
  return file
    .replace(/^test\//, '')
    .replace(/\.test\.ts$/, '')
    .replaceAll('/', ' › ');
}

/** As AVA leaves it out of the titles. */
function commonFolder(files: readonly string[]): string {
  const [first = '', ...rest] = files;
  let folder = first.slice(0, first.lastIndexOf('/') + 1);
  while (!rest.every(file => file.startsWith(folder)))
    folder = folder.slice(0, folder.lastIndexOf('/', folder.length - 2) + 1);
  return folder;
}
