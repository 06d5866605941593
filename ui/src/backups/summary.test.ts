import { expect, test } from 'vitest';

import { record } from '../test/factories';
import { summarise } from './summary';

test('what could not be looked at counts apart', () => {
  const latest = new Date('2026-02-21T06:00:00Z');
  const summary = summarise([
    record(),
    record({ outcome: 'failed', cause: 'stale', observed: latest }),
    record({ outcome: 'unseen', cause: 'timeout' }),
    record({ outcome: 'unseen', cause: 'timeout', observed: null }),
  ]);
  expect(summary).toEqual({
    total: 4,
    counts: { ok: 1, failed: 1, unseen: 2 },
    causes: [
      { cause: 'ok', count: 1 },
      { cause: 'stale', count: 1 },
      { cause: 'timeout', count: 2 },
    ],
    latestLook: latest,
  });
});
