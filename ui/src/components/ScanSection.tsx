import { useState } from 'react';

import type { User } from '../api/auth';
import type { NewScan } from '../api/scans';
import { countOf } from '../backups/format';
import type { ModeId } from '../backups/modes';
import { useScans } from '../hooks/useScans';
import { Button } from './Button';
import { Notice } from './Notice';
import { ScanCard } from './ScanCard';
import { StartScanDialog } from './StartScanDialog';

interface ScanSectionProps {
  user: User;
  mode: ModeId;
  live: boolean;
  onStarted: (scan: NewScan) => void;
}

/** A browser gives one host six connections; each card holds one. */
const mostCards = 3;

/** Starting scans, and the scans that run. */
export function ScanSection({ user, mode, live, onStarted }: ScanSectionProps) {
  const scans = useScans(live);
  const [asking, setAsking] = useState(false);
  const hidden =
    scans.shown.filter(({ progress }) => progress.state === 'running').length - mostCards;

  return (
    <>
      {user.admin ? (
        <Button
          look="primary"
          icon="play"
          onClick={() => {
            setAsking(true);
          }}
        >
          Start scan
        </Button>
      ) : (
        <p className="text-sm text-muted">Only Admins can start a scan.</p>
      )}
      <div className="order-last w-full space-y-2 empty:hidden">
        {scans.error && (
          <Notice tone="unseen" title="It is not known whether a scan is running">
            <p>{scans.error.message}</p>
          </Notice>
        )}
        {scans.shown.slice(0, mostCards).map((scan) => (
          <ScanCard
            key={scan.id}
            scan={scan}
            mayCancel={user.admin}
            onEnded={scans.ended}
            onDismiss={scans.dismiss}
          />
        ))}
        {hidden > 0 && (
          <p className="text-xs text-muted">and {countOf(hidden, 'more scan')} running</p>
        )}
      </div>
      {asking && (
        <StartScanDialog
          mode={mode}
          onClose={() => {
            setAsking(false);
          }}
          onStarted={(scan, asked) => {
            setAsking(false);
            scans.started({ ...scan, requestedBy: user.id });
            onStarted(asked);
          }}
        />
      )}
    </>
  );
}
