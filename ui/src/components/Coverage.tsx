import {
  countOf,
  formatAgo,
  formatClock,
  formatCount,
  formatDay,
  formatInstant,
} from '../backups/format';
import type { BackupList } from '../backups/record';
import type { Summary } from '../backups/summary';
import { useNow } from '../hooks/useNow';

interface CoverageProps {
  list: BackupList;
  summary: Summary;
  /** Codes of the outlets there are; null while that is not known. */
  outlets: readonly string[] | null;
}

/** What the list rests on: how many outlets were looked at, and when. */
export function Coverage({ list, summary, outlets }: CoverageProps) {
  const now = useNow();
  if (list.scanDate === null || summary.total === 0) return null;
  const looked = summary.counts.ok + summary.counts.failed;
  const pending = outlets ? countPending(outlets, list) : 0;
  const { latestLook } = summary;
  return (
    <p data-testid="coverage" className="text-sm text-muted">
      <strong className="font-semibold text-ink">{formatDay(list.scanDate)}</strong>
      {' · '}
      {formatCount(looked)} of {countOf(summary.total + pending, 'outlet')} looked at
      {summary.counts.unseen > 0 && (
        <>
          {' · '}
          <span className="text-unseen">{formatCount(summary.counts.unseen)} could not be</span>
        </>
      )}
      {pending > 0 && (
        <>
          {' · '}
          <span className="text-unseen">{formatCount(pending)} not tried on this date</span>
        </>
      )}
      {latestLook && (
        <>
          {' · latest look '}
          <time dateTime={latestLook.toISOString()} title={formatInstant(latestLook)}>
            {formatClock(latestLook)} ({formatAgo(latestLook, now)})
          </time>
        </>
      )}
    </p>
  );
}

/** Outlets of which the list says nothing at all. Codes are unique ignoring case. */
function countPending(outlets: readonly string[], list: BackupList): number {
  const listed = new Set(list.records.map((record) => record.outlet.toUpperCase()));
  return outlets.filter((code) => !listed.has(code.toUpperCase())).length;
}
