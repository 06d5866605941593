import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { useLayoutEffect, useRef, useState } from 'react';

import type { BackupRecord } from '../backups/record';
import type { Sort, SortKey } from '../backups/view';
import { useMediaQuery } from '../hooks/useMediaQuery';
import { BackupRow } from './BackupRow';
import { TableHead } from './TableHead';

export interface Selection {
  outlets: ReadonlySet<string>;
  onSelect: (outlet: string, selected: boolean) => void;
  onSelectAll: (selected: boolean) => void;
}

interface BackupTableProps {
  records: readonly BackupRecord[];
  withDrives: boolean;
  sort: Sort;
  onSort: (key: SortKey) => void;
  /** Null: rows are not for selecting. */
  selection: Selection | null;
  onOpen: (outlet: string) => void;
}

const rowHeight = { wide: 52, narrow: 92 };

/**
 * The list. Only the rows in sight are in the page, so that thousands cost no
 * more than a screenful; aria-rowcount and aria-rowindex tell the rest.
 */
export function BackupTable(props: BackupTableProps) {
  const { records, withDrives, sort, onSort, selection, onOpen } = props;
  const wide = useMediaQuery('(width >= 64rem)');
  const height = wide ? rowHeight.wide : rowHeight.narrow;
  const body = useRef<HTMLDivElement>(null);
  const top = useTopOf(body);
  const virtualizer = useWindowVirtualizer({
    count: records.length,
    estimateSize: () => height,
    getItemKey: (index) => records[index]?.outlet ?? index,
    scrollMargin: top,
    overscan: 12,
  });
  useLayoutEffect(() => {
    virtualizer.measure();
  }, [virtualizer, height]);

  return (
    <div
      role="table"
      aria-label="Backups"
      aria-rowcount={records.length + 1}
      className="card overflow-clip"
    >
      <TableHead
        withDrives={withDrives}
        sort={sort}
        onSort={onSort}
        allSelected={selection && isAllSelected(records, selection.outlets)}
        onSelectAll={selection?.onSelectAll}
      />
      <div
        ref={body}
        role="rowgroup"
        className="relative"
        style={{ height: virtualizer.getTotalSize() }}
      >
        {virtualizer.getVirtualItems().map((item) => {
          const record = records[item.index];
          return (
            record && (
              <BackupRow
                key={item.key}
                record={record}
                index={item.index}
                top={item.start - top}
                height={height}
                withDrives={withDrives}
                selected={selection?.outlets.has(record.outlet) ?? null}
                onSelect={selection?.onSelect ?? ignore}
                onOpen={onOpen}
              />
            )
          );
        })}
      </div>
    </div>
  );
}

function isAllSelected(records: readonly BackupRecord[], outlets: ReadonlySet<string>): boolean {
  return records.length > 0 && records.every((record) => outlets.has(record.outlet));
}

function ignore() {
  // Rows without a checkbox have nothing to select.
}

/** Distance of an element from the top of the page, kept right as the page changes. */
function useTopOf(ref: React.RefObject<HTMLElement | null>): number {
  const [top, setTop] = useState(0);
  useLayoutEffect(() => {
    const measure = () => {
      if (ref.current) setTop(ref.current.getBoundingClientRect().top + window.scrollY);
    };
    const observer = new ResizeObserver(measure);
    observer.observe(document.body);
    measure();
    return () => {
      observer.disconnect();
    };
  }, [ref]);
  return top;
}
