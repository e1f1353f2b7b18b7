import { EXIT, Failure } from './failure.ts';

/** Questions, on a terminal only; the library is loaded only where somebody is asked. Ctrl-C ends the verb, and nothing is done. */

/** Whether anybody can be asked. */
export function isTerminal(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

type Check = (answer: string) => string | undefined;

/** @param check says what is wrong with an answer */
export async function ask(
  message: string,
  placeholder: string,
  check?: Check,
  initial?: string,
): Promise<string> {
  const { text } = await import('@clack/prompts');
  return answered(
    await text({
      message,
      placeholder,
      output: process.stderr,
      ...(initial !== undefined && { initialValue: initial }),
      validate: value => (value ? check?.(value) : 'an answer'),
    }),
  );
}

export async function askSecret(message: string): Promise<string> {
  const { password } = await import('@clack/prompts');
  return answered(
    await password({ message, output: process.stderr, validate: value => (value ? undefined : 'an answer') }),
  );
}

/** @param choices values, each with what it means */
export async function askChoice<T extends string>(
  message: string,
  choices: Readonly<Record<T, string>>,
): Promise<T> {
  const { select } = await import('@clack/prompts');
  const options = Object.entries<string>(choices).map(([value, label]) => ({ value, label }));
  return answered(await select<string>({ message, output: process.stderr, options })) as T;
}

/** No is what is meant until yes is said. */
export async function askWhether(message: string): Promise<boolean> {
  const { confirm } = await import('@clack/prompts');
  return answered(await confirm({ message, output: process.stderr, initialValue: false }));
}

function answered<T>(answer: T): Exclude<T, symbol> {
  if (typeof answer === 'symbol') throw new Failure(EXIT.failed, 'Nothing was done.');
  return answer as Exclude<T, symbol>;
}
