import { expect, test } from 'vitest';

import { record } from '../test/factories';
import { failingFirst, filterRecords, noFilter, sortRecords, type SortKey } from './view';

const records = [
  record({ outlet: 'OUT10', sizeBytes: 10 }),
  record({
    outlet: 'OUT9',
    outcome: 'unseen',
    cause: 'timeout',
    sizeBytes: null,
    age: null,
    modified: null,
  }),
  record({
    outlet: 'OUT8',
    outcome: 'failed',
    cause: 'no_backup',
    sizeBytes: null,
    age: null,
    modified: null,
  }),
  record({ outlet: 'OUT7', outcome: 'failed', cause: 'stale', sizeBytes: 30, age: 1e9 }),
];

function order(key: SortKey, descending = false) {
  return sortRecords(records, { key, descending }).map(({ outlet }) => outlet);
}

test('what needs attention comes first, in the order of the outlets', () => {
  expect(sortRecords(records, failingFirst).map(({ outlet }) => outlet)).toEqual([
    'OUT7',
    'OUT8',
    'OUT9',
    'OUT10',
  ]);
});

test('numbers in codes count as numbers', () => {
  expect(order('outlet')).toEqual(['OUT7', 'OUT8', 'OUT9', 'OUT10']);
  expect(order('outlet', true)).toEqual(['OUT10', 'OUT9', 'OUT8', 'OUT7']);
});

test('what lacks the value comes last either way', () => {
  expect(order('size')).toEqual(['OUT10', 'OUT7', 'OUT8', 'OUT9']);
  expect(order('size', true)).toEqual(['OUT7', 'OUT10', 'OUT8', 'OUT9']);
  expect(order('age', true)).toEqual(['OUT7', 'OUT10', 'OUT8', 'OUT9']);
});

test('every word of the text must occur, in any case', () => {
  const rows = [
    record({ outlet: 'A', searchText: 'a harbour street' }),
    record({ outlet: 'B', searchText: 'b harbour' }),
  ];
  const find = (text: string) =>
    filterRecords(rows, { ...noFilter, text }).map(({ outlet }) => outlet);
  expect(find('  HARBOUR ')).toEqual(['A', 'B']);
  expect(find('street harbour')).toEqual(['A']);
  expect(find('nowhere')).toEqual([]);
  expect(find(' ')).toEqual(['A', 'B']);
});

test('status and cause narrow together', () => {
  expect(filterRecords(records, { ...noFilter, outcome: 'failed' })).toHaveLength(2);
  expect(filterRecords(records, { ...noFilter, outcome: 'failed', cause: 'stale' })).toHaveLength(
    1,
  );
  expect(filterRecords(records, { ...noFilter, outcome: 'ok', cause: 'stale' })).toHaveLength(0);
});
