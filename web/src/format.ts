/** Figures as they are read: signs that line up, as many digits as carry meaning, and a dash where nothing is known. */

export const NONE = '–';
const MINUS = '−';

const formats = new Map<string, Intl.NumberFormat>();
function fixed(digits: number): Intl.NumberFormat {
  const key = String(digits);
  const known = formats.get(key);
  if (known) return known;
  const made = new Intl.NumberFormat('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  formats.set(key, made);
  return made;
}

const isKnown = (value: number | null | undefined): value is number => value != null && Number.isFinite(value);
/** A true minus, as wide as a plus; and no minus in front of what rounds to zero. */
function signed(value: number, digits: number, prefix = ''): string {
  const text = fixed(digits).format(Math.abs(value));
  const sign = Number(text.replaceAll(',', '')) === 0 ? '' : value < 0 ? MINUS : '+';
  return `${sign}${prefix}${text}`;
}

export const number = (value: number | null | undefined, digits = 2): string =>
  isKnown(value) ? signed(value, digits).replace('+', '') : NONE;
export const signedPct = (value: number | null | undefined, digits = 2): string =>
  isKnown(value) ? `${signed(value, digits)} %` : NONE;
export const pct = (value: number | null | undefined, digits = 1): string =>
  isKnown(value) ? `${number(value, digits)} %` : NONE;
export const usd = (value: number | null | undefined, digits = 2): string =>
  isKnown(value) ? signed(value, digits, '$').replace('+', '') : NONE;
export const signedUsd = (value: number | null | undefined, digits = 2): string =>
  isKnown(value) ? signed(value, digits, '$') : NONE;
export const count = (value: number | null | undefined): string => (isKnown(value) ? fixed(0).format(value) : NONE);

/** Five significant digits, as prices of any size want. */
export function price(value: number | null | undefined): string {
  if (!isKnown(value)) return NONE;
  if (value === 0) return '0';
  const whole = Math.floor(Math.log10(Math.abs(value))) + 1;
  return fixed(Math.min(8, Math.max(whole >= 5 ? 0 : 1, 5 - whole))).format(value);
}

/** The price of a stock: dollars and cents. */
export const dollars = (value: number | null | undefined): string => number(value);

/** A size without zeros at its end. */
export const size = (value: number): string => String(Number(Math.abs(value).toPrecision(8)));

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const minute = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const full = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

export const timeOf = (ms: number): string => clock.format(ms);
export const minuteOf = (ms: number): string => minute.format(ms);
export const fullTime = (ms: number): string => full.format(ms);
/** The time, with its day unless that is the day of `nowMs`. */
export const when = (ms: number, nowMs: number): string =>
  day.format(ms) === day.format(nowMs) ? clock.format(ms) : `${day.format(ms)} ${minute.format(ms)}`;
export const dayOf = (ms: number): string => day.format(ms);

/** `42 s`, `3 m 05 s`, `2 h 07 m`, `4 d 3 h`. */
export function lasting(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const two = (value: number) => String(value).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${two(seconds % 60)} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))} m`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

export const plural = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`;

/** `open_long` as a person says it. */
export const words = (code: string): string => code.replaceAll('_', ' ').toLowerCase();
/** The same at the beginning of something. */
export const sentence = (code: string): string => words(code).replace(/^./, (letter) => letter.toUpperCase());
/** A class for gains and losses; neither for what shows as zero. */
export const tone = (value: number | null | undefined): string =>
  !isKnown(value) || Math.abs(value) < 0.005 ? '' : value > 0 ? 'gain' : 'loss';
