import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';

import { modeKey } from '../api/backups';
import { runningScansKey, runningScansQuery, type Progress, type Scan } from '../api/scans';
import { modes } from '../backups/modes';
import { inOrder, withEnded } from './scanList';
import { useClient } from './useClient';

export interface Scans {
  /** Those that run, newest first, then the full scans that ended last. */
  shown: Scan[];
  /** Why it is not known what runs. */
  error: Error | null;
  started: (scan: Scan) => void;
  ended: (id: string, progress: Progress) => void;
  dismiss: (id: string) => void;
}

/**
 * The scans to show. A scan once seen stays until it has ended in its own
 * stream, also when the list of running ones drops it a moment earlier.
 */
export function useScans(live: boolean): Scans {
  const client = useClient();
  const queries = useQueryClient();
  const running = useQuery({
    ...runningScansQuery(client),
    refetchInterval: live ? 30_000 : 5_000,
  });
  const [known, setKnown] = useState<Scan[]>([]);
  const [over, setOver] = useState<ReadonlySet<string>>(new Set());

  const unknown = (running.data ?? []).filter(
    (scan) => !over.has(scan.id) && !known.some(({ id }) => id === scan.id),
  );
  if (unknown.length > 0) setKnown([...unknown, ...known]);

  return {
    shown: inOrder(known, running.data ?? []),
    error: running.error,
    started: (scan) => {
      setKnown((scans) => [scan, ...scans.filter((other) => other.id !== scan.id)]);
      void queries.invalidateQueries({ queryKey: runningScansKey });
    },
    ended: (id, progress) => {
      setKnown((scans) => withEnded(scans, id, progress));
      setOver((ids) => new Set([...ids, id]));
      void queries.invalidateQueries({ queryKey: runningScansKey });
      for (const mode of modes) void queries.invalidateQueries({ queryKey: modeKey(mode.id) });
    },
    dismiss: (id) => {
      setKnown((scans) => scans.filter((scan) => scan.id !== id));
      setOver((ids) => new Set([...ids, id]));
    },
  };
}
