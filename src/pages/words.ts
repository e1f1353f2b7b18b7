import { DE } from './messages-de.ts';
import { EN, type MessageKey } from './messages-en.ts';

const CATALOGUES = { en: EN, de: DE } as const satisfies Record<string, Readonly<Record<MessageKey, string>>>;

export type Language = keyof typeof CATALOGUES;
export const LANGUAGES = Object.keys(CATALOGUES) as readonly Language[];

/** The texts of a page, in the language of who reads it. */
export interface Words {
  readonly language: Language;
  /** Of the layout: every size and place in the style is logical, so that nothing else has to know. */
  readonly direction: 'ltr' | 'rtl';
  /** A text, with values put in. It is escaped where it is shown. */
  t(key: MessageKey, values?: Readonly<Record<string, string | number>>): string;
  /** An instant in words, in UTC: the server does not know where its reader is. */
  when(atMs: number): string;
  /** The same to the second. */
  exactly(atMs: number): string;
  /** The time of a day alone, to the second, in UTC. */
  clock(atMs: number): string;
  /** So long, in minutes and seconds. */
  span(seconds: number): string;
}

/** Nobody reads UTC by a clock of twelve hours. */
const IN_UTC = { timeZone: 'UTC', hourCycle: 'h23' } as const;

const made = new Map<Language, Words>();

/** The texts of a language; made once, since what writes dates takes longer to make than a page. */
export function wordsIn(language: Language): Words {
  const words = made.get(language) ?? makeWords(language);
  made.set(language, words);
  return words;
}

function makeWords(language: Language): Words {
  const catalogue = CATALOGUES[language];
  const date = new Intl.DateTimeFormat(language, {
    ...IN_UTC,
    dateStyle: 'medium',
    timeStyle: 'short',
  });
  const exact = new Intl.DateTimeFormat(language, {
    ...IN_UTC,
    dateStyle: 'medium',
    timeStyle: 'medium',
  });
  const time = new Intl.DateTimeFormat(language, { ...IN_UTC, timeStyle: 'medium' });
  const unit = (name: 'minute' | 'second') =>
    new Intl.NumberFormat(language, { style: 'unit', unit: name, unitDisplay: 'long' });
  const minutes = unit('minute');
  const rest = unit('second');
  const list = new Intl.ListFormat(language, { type: 'unit', style: 'long' });
  return {
    language,
    direction: 'ltr',
    t: (key, values = {}) =>
      catalogue[key].replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? '')),
    when: atMs => `${date.format(atMs)} UTC`,
    exactly: atMs => `${exact.format(atMs)} UTC`,
    clock: atMs => `${time.format(atMs)} UTC`,
    span: seconds =>
      list.format([
        ...(seconds >= 60 ? [minutes.format(Math.floor(seconds / 60))] : []),
        ...(seconds % 60 > 0 || seconds < 60 ? [rest.format(seconds % 60)] : []),
      ]),
  };
}

/**
 * The first of the languages that a browser asks for which there is, English otherwise.
 *
 * @param acceptLanguage of the request (RFC 9110 section 12.5.4), or the `ui_locales` of an authorization request
 */
export function chooseLanguage(acceptLanguage: string | undefined): Language {
  const asked = (acceptLanguage ?? '')
    .slice(0, 200)
    .split(/[,\s]+/)
    .map(each => {
      const [tag = '', ...parameters] = each.split(';');
      const quality = Number(parameters.find(one => one.startsWith('q='))?.slice(2) ?? 1);
      return { language: tag.split('-')[0]?.toLowerCase(), quality };
    })
    .filter(({ quality }) => quality > 0)
    .toSorted((a, b) => b.quality - a.quality);
  for (const { language } of asked) {
    const found = LANGUAGES.find(each => each === language);
    if (found) return found;
  }
  return 'en';
}
