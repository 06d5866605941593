import { useMutation } from '@tanstack/react-query';

import { cancelScan, type Progress, type Scan } from '../api/scans';
import { formatCount, formatDay } from '../backups/format';
import { modeName } from '../backups/modes';
import { useClient } from '../hooks/useClient';
import { useScanProgress } from '../hooks/useScanProgress';
import { Button } from './Button';
import { Notice } from './Notice';
import { ProgressBar } from './ProgressBar';

interface ScanCardProps {
  scan: Scan;
  mayCancel: boolean;
  onEnded: (id: string, progress: Progress) => void;
  onDismiss: (id: string) => void;
}

/** One scan, live until it has ended. */
export function ScanCard({ scan, mayCancel, onEnded, onDismiss }: ScanCardProps) {
  const client = useClient();
  const progress = useScanProgress(scan, (last) => {
    onEnded(scan.id, last);
  });
  const cancel = useMutation({ mutationFn: () => cancelScan(client, scan.id) });
  const running = progress.state === 'running';

  return (
    <article aria-label="Scan" data-state={progress.state} className="card space-y-2 px-4 py-3">
      <div className="flex items-start gap-3">
        <div className="min-w-0 grow">
          <h2 className="text-sm font-semibold">
            <span role="status">{headline(progress)}</span>
          </h2>
          <p className="truncate text-xs text-muted">{describe(scan)}</p>
        </div>
        {running && mayCancel && (
          <Button
            disabled={cancel.isPending || cancel.isSuccess}
            onClick={() => {
              cancel.mutate();
            }}
          >
            {cancel.isIdle || cancel.isError ? 'Cancel scan' : 'Cancelling…'}
          </Button>
        )}
        {!running && (
          <Button
            look="quiet"
            icon="close"
            aria-label="Dismiss"
            onClick={() => {
              onDismiss(scan.id);
            }}
          />
        )}
      </div>
      <ProgressBar progress={progress} />
      <p
        hidden={progress.total === 0}
        className="flex flex-wrap gap-x-4 text-xs text-muted tabular-nums"
      >
        <span data-part="completed">
          <strong className="font-semibold text-ink">{formatCount(progress.completed)}</strong> of{' '}
          {formatCount(progress.total)} looks
        </span>
        <span className="text-ok">{formatCount(progress.success)} successful</span>
        <span className="text-bad">
          {formatCount(progress.failed - progress.notObserved)} failed
        </span>
        <span className="text-unseen">{formatCount(progress.notObserved)} could not be seen</span>
        {progress.current !== null && <span className="truncate">latest: {progress.current}</span>}
      </p>
      {progress.message !== null && <Notice tone="unseen" title={progress.message} />}
      {cancel.error && (
        <Notice tone="bad" title="The scan was not cancelled">
          <p>{cancel.error.message}</p>
        </Notice>
      )}
    </article>
  );
}

function headline({ state, total }: Progress): string {
  switch (state) {
    case 'running':
      return total === 0 ? 'Scan starting' : 'Scan running';
    case 'complete':
      return 'Scan complete';
    case 'stopped':
      return 'Scan stopped';
    case 'lost':
      return 'The scan can no longer be followed';
  }
}

function describe(scan: Scan): string {
  const parts = [scan.modes.map(modeName).join(' and ')];
  parts.push(scan.full ? 'every outlet' : 'chosen outlets');
  if (scan.scanDate !== null) parts.push(`for ${formatDay(scan.scanDate)}`);
  if (scan.trigger === 'cron') parts.push('on schedule');
  else if (scan.requestedBy) parts.push(`started by ${scan.requestedBy}`);
  return parts.join(' · ');
}
