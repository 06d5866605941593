import { expect, test } from 'vitest';

import { countOf, formatAge, formatAgo, formatDay, formatInstant } from './format';

const minute = 60_000;
const hour = 60 * minute;

test.each([
  [30_000, '< 1 min'],
  [59 * minute, '59 min'],
  [2 * hour, '2 h'],
  [26 * hour + 10 * minute, '26 h 10 min'],
  [76 * hour, '3 d 4 h'],
  [400 * 24 * hour, '400 d'],
  [-90 * minute, '1 h 30 min ahead'],
  [-20_000, '< 1 min'],
  [null, '–'],
])('an age of %s ms reads %s', (ms, text) => {
  expect(formatAge(ms)).toBe(text);
});

test('a scan date is the same day in every zone', () => {
  expect(formatDay('2026-02-21')).toBe('21 Feb 2026');
  expect(formatDay('not a date')).toBe('not a date');
});

test("an instant is told in the reader's zone", () => {
  expect(formatInstant(new Date('2026-02-20T20:30:00Z'))).toBe('21 Feb 2026, 02:00');
});

test('numbers agree with their nouns', () => {
  expect([countOf(1, 'outlet'), countOf(2000, 'outlet')]).toEqual(['1 outlet', '2,000 outlets']);
});

test('the present is just now', () => {
  const now = new Date('2026-02-21T10:00:00Z');
  expect(formatAgo(new Date('2026-02-21T09:59:50Z'), now)).toBe('just now');
  expect(formatAgo(new Date('2026-02-21T09:30:00Z'), now)).toBe('30 min ago');
});
