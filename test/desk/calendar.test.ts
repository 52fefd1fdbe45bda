import { describe, expect, it } from 'vitest';
import {
  exchangeDay,
  holidaysOf,
  latestSession,
  marketStatus,
  openSession,
  sessionBefore,
  sessionOf,
} from '../../src/domain/desk/calendar.ts';

const iso = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());

describe('the calendar of the New York exchanges', () => {
  // As the exchange has announced them.
  it.each([
    [2021, ['01-01', '01-18', '02-15', '04-02', '05-31', '07-05', '09-06', '11-25', '12-24']],
    [2022, ['01-17', '02-21', '04-15', '05-30', '06-20', '07-04', '09-05', '11-24', '12-26']],
    [2023, ['01-02', '01-16', '02-20', '04-07', '05-29', '06-19', '07-04', '09-04', '11-23', '12-25']],
    [2024, ['01-01', '01-15', '02-19', '03-29', '05-27', '06-19', '07-04', '09-02', '11-28', '12-25']],
    [2025, ['01-01', '01-20', '02-17', '04-18', '05-26', '06-19', '07-04', '09-01', '11-27', '12-25']],
    [2026, ['01-01', '01-19', '02-16', '04-03', '05-25', '06-19', '07-03', '09-07', '11-26', '12-25']],
    [2027, ['01-01', '01-18', '02-15', '03-26', '05-31', '06-18', '07-05', '09-06', '11-25', '12-24']],
  ])('knows the holidays of %i', (year, days) => {
    expect([...holidaysOf(year)].sort()).toEqual(days.map((day) => `${year}-${day}`));
    for (const day of days) expect(sessionOf(`${year}-${day}`)).toBeNull();
  });

  it.each([
    '2023-07-03',
    '2023-11-24',
    '2024-07-03',
    '2024-11-29',
    '2024-12-24',
    '2025-07-03',
    '2025-11-28',
    '2026-11-27',
  ])('closes at one on %s', (day) => {
    const session = sessionOf(day);
    expect(session?.halfDay).toBe(true);
    expect(((session?.closeMs ?? 0) - (session?.openMs ?? 0)) / 60_000).toBe(210);
  });

  it.each(['2021-12-23', '2022-07-01', '2022-12-23', '2023-12-22', '2026-07-02'])('trades all of %s', (day) => {
    expect(sessionOf(day)?.halfDay).toBe(false);
  });

  it('knows days that were lost to an event', () => {
    expect(sessionOf('2025-01-09')).toBeNull();
    expect(sessionOf('2012-10-29')).toBeNull();
  });

  it('opens at half past nine in New York, in summer and in winter', () => {
    expect(iso(sessionOf('2025-07-22')?.openMs)).toBe('2025-07-22T13:30:00.000Z');
    expect(iso(sessionOf('2025-01-22')?.openMs)).toBe('2025-01-22T14:30:00.000Z');
    // Clocks change in the night before.
    expect(iso(sessionOf('2025-03-10')?.closeMs)).toBe('2025-03-10T20:00:00.000Z');
    expect(iso(sessionOf('2025-11-03')?.closeMs)).toBe('2025-11-03T21:00:00.000Z');
  });

  it('tells what the market does at a moment', () => {
    const at = (time: string) => marketStatus(Date.parse(`2025-05-09T${time}-04:00`));
    expect(at('03:59:59')).toBe('closed');
    expect(at('04:00:00')).toBe('pre_market');
    expect(at('09:30:00')).toBe('open');
    expect(at('15:59:59')).toBe('open');
    expect(at('16:00:00')).toBe('after_hours');
    expect(at('20:00:00')).toBe('closed');
    expect(marketStatus(Date.parse('2025-05-10T12:00:00-04:00'))).toBe('closed');
    expect(openSession(Date.parse('2025-05-09T16:00:00-04:00'))).toBeNull();
  });

  it('finds the session before, over weekends and holidays', () => {
    expect(sessionBefore('2025-05-27').day).toBe('2025-05-23');
    expect(latestSession(Date.parse('2025-05-26T12:00:00-04:00')).day).toBe('2025-05-23');
    expect(latestSession(Date.parse('2025-05-27T09:00:00-04:00')).day).toBe('2025-05-23');
    expect(latestSession(Date.parse('2025-05-27T09:30:00-04:00')).day).toBe('2025-05-27');
    expect(exchangeDay(Date.parse('2025-05-27T01:00:00Z'))).toBe('2025-05-26');
  });

  it('trades between 250 and 253 days a year', () => {
    for (let year = 2013; year <= 2035; year += 1) {
      let days = 0;
      for (let ms = Date.UTC(year, 0, 1); ms < Date.UTC(year + 1, 0, 1); ms += 86_400_000)
        if (sessionOf(new Date(ms).toISOString().slice(0, 10)) !== null) days += 1;
      expect(days).toBeGreaterThanOrEqual(250);
      expect(days).toBeLessThanOrEqual(253);
    }
  });
});
