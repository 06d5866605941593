import { useEffect, useEffectEvent, useState } from 'react';

import { followScan, type Progress, type Scan } from '../api/scans';
import { useClient } from './useClient';

/** Often enough to look alive, seldom enough for a phone. */
const drawEveryMs = 100;

/** Follows a scan until it ends. onEnded is called once, with how it ended. */
export function useScanProgress(scan: Scan, onEnded: (progress: Progress) => void): Progress {
  const client = useClient();
  const [progress, setProgress] = useState(scan.progress);
  const ended = useEffectEvent(onEnded);
  const { id } = scan;
  const start = useEffectEvent(() => progress);

  useEffect(() => {
    const stop = new AbortController();
    let latest = start();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const draw = () => {
      timer = undefined;
      setProgress(latest);
    };
    const end = () => {
      clearTimeout(timer);
      draw();
      ended(latest);
    };

    const follow = async () => {
      for await (latest of followScan(client, id, { signal: stop.signal, from: latest })) {
        if (latest.state !== 'running') end();
        else timer ??= setTimeout(draw, drawEveryMs);
      }
    };
    if (latest.state === 'running') {
      follow().catch((error: unknown) => {
        const message = error instanceof Error ? error.message : String(error);
        latest = { ...latest, state: 'lost', message };
        end();
      });
    }

    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [client, id]);

  return progress;
}
