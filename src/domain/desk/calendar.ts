/**
 * When the New York exchanges trade, computed from their own rules: holidays, half days, and the days they were closed by an event. In
 * Unix ms UTC; a day is a New York date `YYYY-MM-DD`. See docs/adr/0013-the-exchange-calendar.md.
 */

export const EXCHANGE_ZONE = 'America/New_York';

export type Session = {
  readonly day: string;
  readonly preOpenMs: number;
  readonly openMs: number;
  readonly closeMs: number;
  readonly postCloseMs: number;
  readonly halfDay: boolean;
};

export type MarketStatus = 'pre_market' | 'open' | 'after_hours' | 'closed';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** Minutes of the New York day. */
const PRE_OPEN = 4 * 60;
const OPEN = 9 * 60 + 30;
const CLOSE = 16 * 60;
const HALF_DAY_CLOSE = 13 * 60;
const POST_CLOSE = 20 * 60;
const HALF_DAY_POST_CLOSE = 17 * 60;
const JUNETEENTH_SINCE = 2022;

/** Closed by an event that no rule knows. */
const CLOSED_BY_EVENT: ReadonlySet<string> = new Set([
  '2001-09-11',
  '2001-09-12',
  '2001-09-13',
  '2001-09-14',
  '2004-06-11',
  '2007-01-02',
  '2012-10-29',
  '2012-10-30',
  '2018-12-05',
  '2025-01-09',
]);

const NEW_YORK = new Intl.DateTimeFormat('en-US', {
  timeZone: EXCHANGE_ZONE,
  hourCycle: 'h23',
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});

/** The New York date of a moment. */
export function exchangeDay(tsMs: number): string {
  return localOf(tsMs).day;
}

/** The session of a day; null when the exchange does not trade on it. */
export function sessionOf(day: string): Session | null {
  const known = sessions.get(day);
  if (known !== undefined) return known;
  const session = compute(day);
  sessions.set(day, session);
  return session;
}

const sessions = new Map<string, Session | null>();

function compute(day: string): Session | null {
  const weekday = weekdayOf(day);
  if (weekday === 0 || weekday === 6 || holidaysOf(yearOf(day)).has(day) || CLOSED_BY_EVENT.has(day)) return null;
  const halfDay = isHalfDay(day);
  const at = (minutes: number) => momentOf(day, minutes);
  return {
    day,
    preOpenMs: at(PRE_OPEN),
    openMs: at(OPEN),
    closeMs: at(halfDay ? HALF_DAY_CLOSE : CLOSE),
    postCloseMs: at(halfDay ? HALF_DAY_POST_CLOSE : POST_CLOSE),
    halfDay,
  };
}

/** The session of the New York date of a moment, whether it has begun or is over; null on a day without one. */
export function sessionAt(tsMs: number): Session | null {
  return sessionOf(exchangeDay(tsMs));
}

/** The session that runs at a moment; its close is the first moment without it. */
export function openSession(tsMs: number): Session | null {
  const session = sessionAt(tsMs);
  return session !== null && tsMs >= session.openMs && tsMs < session.closeMs ? session : null;
}

export function marketStatus(tsMs: number): MarketStatus {
  const session = sessionAt(tsMs);
  if (session === null || tsMs < session.preOpenMs || tsMs >= session.postCloseMs) return 'closed';
  if (tsMs < session.openMs) return 'pre_market';
  return tsMs < session.closeMs ? 'open' : 'after_hours';
}

/** The newest session that has begun at a moment. */
export function latestSession(tsMs: number): Session {
  const today = sessionAt(tsMs);
  return today !== null && today.openMs <= tsMs ? today : sessionBefore(exchangeDay(tsMs));
}

/** The sessions of which a part lies in (fromMs, toMs], oldest first. */
export function sessionsBetween(fromMs: number, toMs: number): Session[] {
  const found: Session[] = [];
  for (let day = exchangeDay(fromMs); day <= exchangeDay(toMs); day = shift(day, 1)) {
    const session = sessionOf(day);
    if (session !== null && session.closeMs > fromMs && session.openMs <= toMs) found.push(session);
  }
  return found;
}

/** The last session before a day. */
export function sessionBefore(day: string): Session {
  for (let current = shift(day, -1); ; current = shift(current, -1)) {
    const session = sessionOf(current);
    if (session !== null) return session;
  }
}

/** The exchange's holidays of a year on which it would trade otherwise. */
export function holidaysOf(year: number): ReadonlySet<string> {
  const known = holidays.get(year);
  if (known !== undefined) return known;
  const newYear = date(year, 1, 1);
  const days = new Set([
    // A new year that begins on a Saturday is not made up for: the Friday before belongs to another year's books.
    ...(weekdayOf(newYear) === 6 ? [] : [observed(newYear)]),
    nth(year, 1, 1, 3),
    nth(year, 2, 1, 3),
    shift(easter(year), -2),
    lastMonday(year, 5),
    ...(year >= JUNETEENTH_SINCE ? [observed(date(year, 6, 19))] : []),
    observed(date(year, 7, 4)),
    nth(year, 9, 1, 1),
    nth(year, 11, 4, 4),
    observed(date(year, 12, 25)),
  ]);
  holidays.set(year, days);
  return days;
}

const holidays = new Map<number, ReadonlySet<string>>();

/** The day before Independence Day and Christmas Eve from Monday to Thursday, and the day after Thanksgiving. */
function isHalfDay(day: string): boolean {
  const year = yearOf(day);
  if (day === shift(nth(year, 11, 4, 4), 1)) return true;
  const weekday = weekdayOf(day);
  return (day === date(year, 7, 3) || day === date(year, 12, 24)) && weekday >= 1 && weekday <= 4;
}

/** Saturday's holidays are kept on Friday, Sunday's on Monday. */
function observed(day: string): string {
  const weekday = weekdayOf(day);
  return shift(day, weekday === 6 ? -1 : weekday === 0 ? 1 : 0);
}

/** The n-th such weekday of a month. */
function nth(year: number, month: number, weekday: number, n: number): string {
  const first = date(year, month, 1);
  return shift(first, ((weekday - weekdayOf(first) + 7) % 7) + 7 * (n - 1));
}

function lastMonday(year: number, month: number): string {
  const last = shift(date(year, month + 1, 1), -1);
  return shift(last, -((weekdayOf(last) + 6) % 7));
}

/** Easter Sunday of the Gregorian calendar (the anonymous algorithm). */
function easter(year: number): string {
  const a = year % 19;
  const b = Math.floor(year / 100);
  const c = year % 100;
  const d = Math.floor(b / 4);
  const e = b % 4;
  const g = Math.floor((8 * b + 13) / 25);
  const h = (19 * a + b - d - g + 15) % 30;
  const i = Math.floor(c / 4);
  const k = c % 4;
  const l = (32 + 2 * e + 2 * i - h - k) % 7;
  const m = Math.floor((a + 11 * h + 22 * l) / 451);
  const month = Math.floor((h + l - 7 * m + 114) / 31);
  return date(year, month, ((h + l - 7 * m + 114) % 31) + 1);
}

/** A moment of a New York day. At night the clocks change, never between its first minute of trading and its last. */
function momentOf(day: string, minutes: number): number {
  const asIfUtc = utcOf(day) + minutes * MINUTE_MS;
  return asIfUtc - offsetMs(utcOf(day) + DAY_MS / 2);
}

/** New York minus UTC. */
function offsetMs(tsMs: number): number {
  return localOf(tsMs).asIfUtcMs - Math.floor(tsMs / 1000) * 1000;
}

function localOf(tsMs: number): { day: string; asIfUtcMs: number } {
  const of = new Map(NEW_YORK.formatToParts(tsMs).map(({ type, value }) => [type, value]));
  const day = `${of.get('year')}-${of.get('month')}-${of.get('day')}`;
  return { day, asIfUtcMs: Date.parse(`${day}T${of.get('hour')}:${of.get('minute')}:${of.get('second')}Z`) };
}

function date(year: number, month: number, day: number): string {
  return isoDay(Date.UTC(year, month - 1, day));
}

function shift(day: string, days: number): string {
  return isoDay(utcOf(day) + days * DAY_MS);
}

const isoDay = (utcMs: number) => new Date(utcMs).toISOString().slice(0, 10);
const utcOf = (day: string) => Date.parse(`${day}T00:00:00Z`);
const yearOf = (day: string) => Number(day.slice(0, 4));
/** 0 is Sunday. */
const weekdayOf = (day: string) => new Date(utcOf(day)).getUTCDay();
