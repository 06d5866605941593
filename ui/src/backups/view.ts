import { compareCauses } from './causes';
import { outcomes, type BackupRecord, type Outcome } from './record';

export interface Filter {
  text: string;
  outcome: Outcome | null;
  cause: string | null;
}

export const noFilter: Filter = { text: '', outcome: null, cause: null };

export type SortKey =
  'outlet' | 'outcome' | 'cause' | 'modified' | 'age' | 'size' | 'drive' | 'file';

export interface Sort {
  key: SortKey;
  descending: boolean;
}

/** What needs attention first. */
export const failingFirst: Sort = { key: 'outcome', descending: false };

export function isFiltered(filter: Filter): boolean {
  return filter.text.trim() !== '' || filter.outcome !== null || filter.cause !== null;
}

/** Every word of the text must occur in the record. */
export function filterRecords(records: readonly BackupRecord[], filter: Filter): BackupRecord[] {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  return records.filter(
    (record) =>
      (filter.outcome === null || record.outcome === filter.outcome) &&
      (filter.cause === null || record.cause === filter.cause) &&
      words.every((word) => record.searchText.includes(word)),
  );
}

// Making a collator costs far more than using one.
const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

/** A sorted copy. Records that lack the value come last either way, ties go by outlet. */
export function sortRecords(records: readonly BackupRecord[], sort: Sort): BackupRecord[] {
  const sign = sort.descending ? -1 : 1;
  const compare = comparers[sort.key];
  return [...records].sort(
    (a, b) =>
      missingLast(a, b, sort.key) || sign * compare(a, b) || collator.compare(a.outlet, b.outlet),
  );
}

type Comparer = (a: BackupRecord, b: BackupRecord) => number;

const comparers: Readonly<Record<SortKey, Comparer>> = {
  outlet: (a, b) => collator.compare(a.outlet, b.outlet),
  outcome: (a, b) => outcomes.indexOf(a.outcome) - outcomes.indexOf(b.outcome),
  cause: (a, b) => compareCauses(a.cause ?? '', b.cause ?? ''),
  modified: (a, b) => Number(a.modified) - Number(b.modified),
  age: (a, b) => Number(a.age) - Number(b.age),
  size: (a, b) => Number(a.sizeBytes) - Number(b.sizeBytes),
  drive: (a, b) => collator.compare(a.drive ?? '', b.drive ?? ''),
  file: (a, b) => collator.compare(a.file ?? '', b.file ?? ''),
};

const values: Readonly<Record<SortKey, (record: BackupRecord) => unknown>> = {
  outlet: (record) => record.outlet,
  outcome: (record) => record.outcome,
  cause: (record) => record.cause,
  modified: (record) => record.modified,
  age: (record) => record.age,
  size: (record) => record.sizeBytes,
  drive: (record) => record.drive,
  file: (record) => record.file,
};

function missingLast(a: BackupRecord, b: BackupRecord, key: SortKey): number {
  return Number(values[key](a) === null) - Number(values[key](b) === null);
}
