const day = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  timeZone: 'UTC',
});
const instant = new Intl.DateTimeFormat('en-GB', {
  day: '2-digit',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
});
const clock = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});
const count = new Intl.NumberFormat('en-GB');

/** A scan date, YYYY-MM-DD, in words. It is a date of no zone. */
export function formatDay(date: string): string {
  const parsed = new Date(`${date}T00:00:00Z`);
  return Number.isNaN(parsed.getTime()) ? date : day.format(parsed);
}

/** The reader's calendar date, YYYY-MM-DD. */
export function localDate(date: Date): string {
  const pad = (part: number) => part.toString().padStart(2, '0');
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

/** An instant in the reader's own zone. */
export function formatInstant(date: Date): string {
  return instant.format(date);
}

export function formatClock(date: Date): string {
  return clock.format(date);
}

/** A number with its thousands marked. */
export function formatCount(value: number): string {
  return count.format(value);
}

export function countOf(value: number, one: string, many = `${one}s`): string {
  return `${formatCount(value)} ${value === 1 ? one : many}`;
}

const minute = 60_000;
const hour = 60 * minute;
const wholeDay = 24 * hour;

/** A span of time in its two largest units: "26 h 10 min", "3 d 4 h". */
export function formatSpan(ms: number): string {
  const span = Math.abs(ms);
  if (span < minute) return '< 1 min';
  if (span < hour) return `${Math.floor(span / minute)} min`;
  if (span < 2 * wholeDay) return pair(span, hour, 'h', minute, 'min');
  if (span < 60 * wholeDay) return pair(span, wholeDay, 'd', hour, 'h');
  return `${formatCount(Math.floor(span / wholeDay))} d`;
}

function pair(span: number, large: number, largeUnit: string, small: number, smallUnit: string) {
  const rest = Math.floor((span % large) / small);
  const head = `${Math.floor(span / large)} ${largeUnit}`;
  return rest === 0 ? head : `${head} ${rest} ${smallUnit}`;
}

/** The age of a file, or how far ahead of its looker's clock it is dated. */
export function formatAge(ms: number | null): string {
  if (ms === null) return '–';
  return ms < -minute ? `${formatSpan(ms)} ahead` : formatSpan(ms);
}

/** How long ago an instant was. */
export function formatAgo(date: Date, now: Date): string {
  const ms = now.getTime() - date.getTime();
  return ms < minute ? 'just now' : `${formatSpan(ms)} ago`;
}
