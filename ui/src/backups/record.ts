/**
 * How the day of an outlet stands. "unseen" is neither good nor bad: nobody
 * could look, so nothing is known about the backup.
 */
export type Outcome = 'failed' | 'unseen' | 'ok';

/** The outcomes, what needs attention first. */
export const outcomes: readonly Outcome[] = ['failed', 'unseen', 'ok'];

export const outcomeName: Readonly<Record<Outcome, string>> = {
  failed: 'Failed',
  unseen: 'Could not look',
  ok: 'Successful',
};

/** What is known about one outlet in one mode on one scan date. */
export interface BackupRecord {
  outlet: string;
  outletName: string | null;
  server: string;
  outcome: Outcome;
  cause: string | null;
  /** Of the backup file, by the outlet's own clock. */
  modified: Date | null;
  file: string | null;
  sizeBytes: number | null;
  /** The size in the server's words, such as "2.45 GB". */
  size: string | null;
  /** YYYY-MM-DD */
  scanDate: string;
  details: string | null;
  drive: string | null;
  duration: string | null;
  observed: Date | null;
  /** The outlet's clock minus ours, in seconds. */
  clockSkew: number | null;
  /** Age of the file when it was looked at, in ms by the outlet's own clock. */
  age: number | null;
  /** The file is dated after the end of the scan date. */
  afterScanDate: boolean;
  /** What the text filter looks through, in lower case. */
  searchText: string;
}

export interface BackupList {
  records: BackupRecord[];
  /** The date the list is about; null when nothing was ever scanned. */
  scanDate: string | null;
}

export interface DaySummary {
  /** YYYY-MM-DD */
  scanDate: string;
  total: number;
  successful: number;
  failed: number;
  /** Counted in failed too. */
  notObserved: number;
}
