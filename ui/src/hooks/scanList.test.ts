import { expect, test } from 'vitest';

import { noProgress, type Progress, type Scan } from '../api/scans';
import { inOrder, withEnded } from './scanList';

const complete: Progress = { ...noProgress, state: 'complete' };

function scan(id: string, fields: Partial<Scan> = {}): Scan {
  return {
    id,
    scanDate: '2026-02-21',
    modes: ['d_drive'],
    full: true,
    trigger: 'api',
    requestedBy: '1001',
    progress: noProgress,
    ...fields,
  };
}

function ids(scans: readonly Scan[]) {
  return scans.map(({ id }) => id);
}

test('the two full scans that ended last stay, the later one first', () => {
  let scans = [scan('a'), scan('b'), scan('c'), scan('d')];
  for (const id of ['b', 'c', 'a']) scans = withEnded(scans, id, complete);
  expect(ids(scans)).toEqual(['d', 'a', 'c']);
  expect(scans[1]?.progress).toBe(complete);
});

test('a re-scan of chosen outlets leaves nothing behind, nor does a dismissed scan come back', () => {
  expect(ids(withEnded([scan('a', { full: false }), scan('b')], 'a', complete))).toEqual(['b']);
  expect(ids(withEnded([scan('b')], 'a', complete))).toEqual(['b']);
});

test('what was started just now is first, then the order of the list, then what has ended', () => {
  const known = [scan('ended', { progress: complete }), scan('old'), scan('new'), scan('mine')];
  expect(ids(inOrder(known, [scan('new'), scan('old'), scan('ended')]))).toEqual([
    'mine',
    'new',
    'old',
    'ended',
  ]);
});
