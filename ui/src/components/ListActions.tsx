import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';

import { downloadCsv, modeKey, rescan, type RescanResult } from '../api/backups';
import { countOf, formatCount } from '../backups/format';
import type { Mode } from '../backups/modes';
import { useClient } from '../hooks/useClient';
import { Button } from './Button';
import { Notice } from './Notice';

interface ListActionsProps {
  mode: Mode;
  /** The date to look at again; null for today. */
  rescanDate: string | null;
  /** The date that is shown. */
  scanDate: string | null;
  shown: number;
  total: number;
  /** Null: re-scanning is not offered. */
  selected: readonly string[] | null;
  onClearSelection: () => void;
  /** Stands at the beginning of the line. */
  children: ReactNode;
}

/** What can be done with the list: re-scan the selected outlets, take it away as CSV. */
export function ListActions(props: ListActionsProps) {
  const { mode, rescanDate, scanDate, shown, total, selected, onClearSelection, children } = props;
  const client = useClient();
  const queries = useQueryClient();
  const again = useMutation({
    mutationFn: (outlets: readonly string[]) => rescan(client, mode, outlets, rescanDate),
    onSuccess: onClearSelection,
    onSettled: () => queries.invalidateQueries({ queryKey: modeKey(mode.id) }),
  });
  const csv = useMutation({
    mutationFn: () => downloadCsv(client, mode, scanDate),
    onSuccess: (file) => {
      save(file, `${mode.id}-${scanDate ?? 'latest'}.csv`);
    },
  });
  const error = again.error ?? csv.error;

  return (
    <div className="space-y-2">
      <div className="flex flex-wrap items-center gap-2">
        {children}
        <p role="status" className="mr-auto px-1 text-sm text-muted tabular-nums">
          {shown === total
            ? countOf(total, 'outlet')
            : `${formatCount(shown)} of ${countOf(total, 'outlet')}`}
          {selected && selected.length > 0 && ` · ${formatCount(selected.length)} selected`}
        </p>
        {selected && selected.length > 0 && (
          <>
            <Button look="quiet" disabled={again.isPending} onClick={onClearSelection}>
              Deselect
            </Button>
            <Button
              icon="refresh"
              disabled={again.isPending}
              onClick={() => {
                again.mutate(selected);
              }}
            >
              {again.isPending ? 'Re-scanning…' : 'Re-scan selected'}
            </Button>
          </>
        )}
        <Button
          icon="download"
          disabled={csv.isPending}
          onClick={() => {
            csv.mutate();
          }}
        >
          Download CSV
        </Button>
      </div>
      {again.data && <Notice {...describe(again.data)} onDismiss={again.reset} />}
      {error && (
        <Notice tone="bad" title={again.error ? 'The re-scan failed' : 'The download failed'}>
          <p>{error.message}</p>
        </Notice>
      )}
    </div>
  );
}

function describe({ counts }: RescanResult): { tone: 'ok' | 'unseen'; title: string } {
  if (!counts) {
    return {
      tone: 'unseen',
      title: 'The re-scan is still going on. The list follows as looks come in.',
    };
  }
  const { total, successful, failed } = counts;
  return {
    tone: failed === 0 ? 'ok' : 'unseen',
    title:
      `Looked again at ${countOf(total, 'outlet')}: ` +
      `${formatCount(successful)} successful, ${formatCount(failed)} failed or not seen.`,
  };
}

function save(file: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  // The browser has taken hold of the file once the click is handled.
  setTimeout(() => {
    URL.revokeObjectURL(link.href);
  }, 10_000);
}
