import { useQuery } from '@tanstack/react-query';
import { useCallback, useDeferredValue, useMemo, useState } from 'react';

import type { User } from '../api/auth';
import { backupsQuery, outletsQuery } from '../api/backups';
import type { Mode } from '../backups/modes';
import type { BackupList } from '../backups/record';
import { summarise } from '../backups/summary';
import { filterRecords, sortRecords, type Filter, type Sort, type SortKey } from '../backups/view';
import { useClient } from '../hooks/useClient';
import { BackupTable } from './BackupTable';
import { Button } from './Button';
import { Coverage } from './Coverage';
import { EmptyState } from './EmptyState';
import { FilterBar } from './FilterBar';
import { ListActions } from './ListActions';
import { Notice } from './Notice';
import { RecordDialog } from './RecordDialog';
import { SummaryTiles } from './SummaryTiles';

interface PanelProps {
  user: User;
  mode: Mode;
  /** Null: the latest scan date. */
  scanDate: string | null;
  live: boolean;
  filter: Filter;
  onFilter: (filter: Filter) => void;
  sort: Sort;
  onSort: (sort: Sort) => void;
}

/** The records of one mode and date: loading, failing, or there. */
export function BackupsPanel(props: PanelProps) {
  const { mode, scanDate, live, user } = props;
  const list = useQuery({
    ...backupsQuery(useClient(), mode, scanDate),
    // Without the feed this is all that keeps the list fresh.
    refetchInterval: live ? 120_000 : 30_000,
  });
  const failure = list.error && (
    <Notice
      tone="bad"
      title={list.data ? 'The list could not be refreshed' : 'The list could not be loaded'}
    >
      <p>{list.error.message}</p>
      <Button className="mt-2" onClick={() => void list.refetch()}>
        Try again
      </Button>
    </Notice>
  );
  if (!list.data) {
    return failure ?? <EmptyState title="Loading…" />;
  }
  if (list.data.records.length === 0) {
    return (
      <>
        {failure}
        <EmptyState title={scanDate === null ? 'No scan yet' : 'Nothing was scanned for this date'}>
          {user.admin
            ? 'Start a scan to see how the backups of your outlets stand.'
            : 'An Admin can start the first scan.'}
        </EmptyState>
      </>
    );
  }
  return (
    <>
      {failure}
      <LoadedPanel {...props} list={list.data} />
    </>
  );
}

function LoadedPanel(props: PanelProps & { list: BackupList }) {
  const { user, mode, scanDate, filter, onFilter, sort, onSort, list } = props;
  const outlets = useQuery(outletsQuery(useClient()));
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [open, setOpen] = useState<string | null>(null);

  const { records } = list;
  const summary = useMemo(() => summarise(records), [records]);
  const sorted = useMemo(() => sortRecords(records, sort), [records, sort]);
  // Typing stays quick: the list may come a moment later.
  const deferred = useDeferredValue(filter);
  const shown = useMemo(() => filterRecords(sorted, deferred), [sorted, deferred]);
  const opened = open === null ? undefined : records.find((record) => record.outlet === open);

  const select = useCallback((outlet: string, on: boolean) => {
    setSelected((before) => change(before, [outlet], on));
  }, []);

  return (
    <>
      <SummaryTiles
        summary={summary}
        selected={filter.outcome}
        onSelect={(outcome) => {
          onFilter({ ...filter, outcome });
        }}
      />
      <Coverage list={list} summary={summary} outlets={outlets.data ?? null} />
      <ListActions
        mode={mode}
        rescanDate={scanDate}
        scanDate={list.scanDate}
        shown={shown.length}
        total={records.length}
        selected={user.admin ? [...selected] : null}
        onClearSelection={() => {
          setSelected(new Set());
        }}
      >
        <FilterBar filter={filter} summary={summary} onChange={onFilter} />
      </ListActions>
      {shown.length === 0 ? (
        <EmptyState title="No outlet matches the filter" />
      ) : (
        <BackupTable
          records={shown}
          withDrives={mode.id === 'ib_storage'}
          sort={sort}
          onSort={(key) => {
            onSort(nextSort(sort, key));
          }}
          selection={
            user.admin
              ? {
                  outlets: selected,
                  onSelect: select,
                  onSelectAll: (on) => {
                    setSelected(
                      change(
                        selected,
                        shown.map((record) => record.outlet),
                        on,
                      ),
                    );
                  },
                }
              : null
          }
          onOpen={setOpen}
        />
      )}
      {opened && (
        <RecordDialog
          record={opened}
          onClose={() => {
            setOpen(null);
          }}
        />
      )}
    </>
  );
}

function nextSort(sort: Sort, key: SortKey): Sort {
  return { key, descending: sort.key === key && !sort.descending };
}

function change(
  before: ReadonlySet<string>,
  outlets: readonly string[],
  on: boolean,
): ReadonlySet<string> {
  const after = new Set(before);
  for (const outlet of outlets) {
    if (on) after.add(outlet);
    else after.delete(outlet);
  }
  return after;
}
