import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';

import { modeKey } from '../api/backups';
import { readFeed, type FeedNews } from '../api/feed';
import { runningScansKey } from '../api/scans';
import { modes } from '../backups/modes';
import { Refresher } from './refresher';
import { useClient } from './useClient';

/**
 * Keeps what is shown up to date from the live feed. Returns whether the feed is
 * connected; without it the page still works and falls back on asking now and then.
 */
export function useLiveFeed(): boolean {
  const client = useClient();
  const queries = useQueryClient();
  const [connected, setConnected] = useState(false);

  useEffect(() => {
    const stop = new AbortController();
    const refresher = new Refresher((key) =>
      queries.invalidateQueries({ queryKey: queryKeys(key) }),
    );

    const follow = async () => {
      const feed = readFeed(client, {
        signal: stop.signal,
        onConnected: (now) => {
          setConnected(now);
          // What happened before the feed opened is in no message of it.
          if (now) for (const key of everything) refresher.note(key);
        },
      });
      for await (const news of feed) for (const key of concerns(news)) refresher.note(key);
    };
    // A feed that is refused, or not there, leaves the page without it.
    follow().catch(() => {
      setConnected(false);
    });

    return () => {
      stop.abort();
      refresher.stop();
    };
  }, [client, queries]);

  return connected;
}

const everything: readonly string[] = [
  'scans',
  'outlets',
  'system',
  ...modes.map((mode) => mode.id),
];

function concerns(news: FeedNews): readonly string[] {
  switch (news.kind) {
    case 'observed':
      return [news.mode];
    case 'reset':
      return everything;
    default:
      return [news.kind];
  }
}

function queryKeys(key: string): readonly string[] {
  const mode = modes.find(({ id }) => id === key);
  if (mode) return modeKey(mode.id);
  return key === 'scans' ? runningScansKey : [key];
}
