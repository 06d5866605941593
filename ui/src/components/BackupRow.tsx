import { memo } from 'react';

import { causeName } from '../backups/causes';
import { formatAge, formatInstant } from '../backups/format';
import type { BackupRecord } from '../backups/record';
import { Icon } from './Icon';
import { OutcomeBadge } from './OutcomeBadge';

interface BackupRowProps {
  record: BackupRecord;
  /** Place in the list, from 0; the header row is before it. */
  index: number;
  top: number;
  height: number;
  withDrives: boolean;
  /** Null: rows are not for selecting. */
  selected: boolean | null;
  onSelect: (outlet: string, selected: boolean) => void;
  onOpen: (outlet: string) => void;
}

export const BackupRow = memo(function BackupRow(props: BackupRowProps) {
  const { record, index, top, height, withDrives, selected, onSelect, onOpen } = props;
  return (
    <div
      role="row"
      aria-rowindex={index + 2}
      aria-selected={selected ?? undefined}
      data-outlet={record.outlet}
      data-drives={withDrives ? 'yes' : 'no'}
      className="backup-row absolute inset-x-0 content-center border-b border-line text-sm hover:bg-sunken aria-selected:bg-accent-tint"
      style={{ height, transform: `translateY(${top}px)` }}
    >
      <div role="cell" className="h-full [grid-area:select]">
        {selected !== null && (
          <label className="flex h-full items-center p-1">
            <input
              type="checkbox"
              className="size-4 accent-accent"
              aria-label={`Select ${record.outlet}`}
              checked={selected}
              onChange={(event) => {
                onSelect(record.outlet, event.target.checked);
              }}
            />
          </label>
        )}
      </div>
      <div role="cell" className="min-w-0 [grid-area:outlet]">
        <button
          type="button"
          className="block max-w-full truncate text-left font-medium hover:text-accent hover:underline"
          onClick={() => {
            onOpen(record.outlet);
          }}
        >
          {record.outlet}
          {record.outletName !== null && (
            <span className="ml-1.5 font-normal text-muted lg:hidden">{record.outletName}</span>
          )}
        </button>
        <span
          title={record.outletName ?? undefined}
          className="block truncate text-xs text-muted max-lg:hidden"
        >
          {[record.outletName, record.server].filter(Boolean).join(' · ')}
        </span>
      </div>
      <div role="cell" className="[grid-area:outcome] max-lg:justify-self-end">
        <OutcomeBadge outcome={record.outcome} />
      </div>
      <CauseCell record={record} />
      <div role="cell" className="min-w-0 truncate text-muted [grid-area:modified] lg:text-ink">
        {record.modified ? formatInstant(record.modified) : '–'}
        {record.afterScanDate && (
          <span
            title="Dated after the scan date"
            className="ml-1 inline-block align-[-3px] text-unseen"
          >
            <Icon name="clock" />
            <span className="sr-only">dated after the scan date</span>
          </span>
        )}
      </div>
      <div
        role="cell"
        className="whitespace-nowrap [grid-area:age] max-lg:text-right max-lg:text-muted"
      >
        {formatAge(record.age)}
      </div>
      <div role="cell" className="text-right whitespace-nowrap tabular-nums [grid-area:size]">
        {record.size ?? '–'}
      </div>
      {withDrives && (
        <div role="cell" className="[grid-area:drive] max-lg:hidden">
          {record.drive ?? '–'}
        </div>
      )}
      <div
        role="cell"
        title={record.file ?? undefined}
        className="truncate text-muted [grid-area:file] max-lg:hidden"
      >
        {record.file ?? '–'}
      </div>
    </div>
  );
});

/** The cause, and the server's message on it; a good row needs neither. */
function CauseCell({ record }: { record: BackupRecord }) {
  const good = record.outcome === 'ok' && record.details === null;
  return (
    <div role="cell" className="min-w-0 leading-snug [grid-area:cause]">
      {good ? (
        <span className="block truncate text-muted">
          <span className="lg:hidden">{record.file}</span>
          <span className="max-lg:hidden">–</span>
        </span>
      ) : (
        <>
          <span className="block truncate">{causeName(record.cause)}</span>
          <span
            data-part="details"
            title={record.details ?? undefined}
            className="block truncate text-xs text-muted"
          >
            {record.details}
          </span>
        </>
      )}
    </div>
  );
}
