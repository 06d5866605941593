import { compareCauses } from './causes';
import type { BackupRecord, Outcome } from './record';

/** What a list of records adds up to. */
export interface Summary {
  total: number;
  counts: Readonly<Record<Outcome, number>>;
  /** The causes that occur, with how often. */
  causes: { cause: string; count: number }[];
  latestLook: Date | null;
}

export function summarise(records: readonly BackupRecord[]): Summary {
  const counts = { failed: 0, unseen: 0, ok: 0 };
  const causes = new Map<string, number>();
  let latestLook: Date | null = null;
  for (const record of records) {
    counts[record.outcome] += 1;
    if (record.cause !== null) causes.set(record.cause, (causes.get(record.cause) ?? 0) + 1);
    if (record.observed && (!latestLook || record.observed > latestLook)) {
      latestLook = record.observed;
    }
  }
  return {
    total: records.length,
    counts,
    causes: [...causes]
      .map(([cause, count]) => ({ cause, count }))
      .sort((a, b) => compareCauses(a.cause, b.cause)),
    latestLook,
  };
}
