import type { ReactNode } from 'react';

import { causeName } from '../backups/causes';
import { formatAge, formatDay, formatInstant, formatSpan } from '../backups/format';
import type { BackupRecord } from '../backups/record';
import { Dialog } from './Dialog';
import { OutcomeBadge } from './OutcomeBadge';

interface RecordDialogProps {
  record: BackupRecord;
  onClose: () => void;
}

/** Everything that is known about one outlet on one date, nothing cut short. */
export function RecordDialog({ record, onClose }: RecordDialogProps) {
  return (
    <Dialog title={record.outlet} onClose={onClose}>
      <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-4 gap-y-2 text-sm">
        <Row name="Name">{record.outletName}</Row>
        <Row name="Status">
          <OutcomeBadge outcome={record.outcome} />
        </Row>
        <Row name="Cause">{causeName(record.cause)}</Row>
        <Row name="Message">{record.details}</Row>
        <Row name="Scan date">{formatDay(record.scanDate)}</Row>
        <Row name="Last backup">
          {record.modified && formatInstant(record.modified)}
          {record.afterScanDate && ' – dated after the scan date'}
        </Row>
        <Row name="Age when looked at">{record.age !== null && formatAge(record.age)}</Row>
        <Row name="File">{record.file}</Row>
        <Row name="Size">{record.size}</Row>
        <Row name="Drive">{record.drive}</Row>
        <Row name="Server">{record.server}</Row>
        <Row name="Looked at">{record.observed && formatInstant(record.observed)}</Row>
        <Row name="Took">{record.duration}</Row>
        <Row name="Its clock">{describeSkew(record.clockSkew)}</Row>
      </dl>
    </Dialog>
  );
}

function Row({ name, children }: { name: string; children: ReactNode }) {
  if (isEmpty(children)) return null;
  return (
    <>
      <dt className="text-muted">{name}</dt>
      <dd className="break-words">{children}</dd>
    </>
  );
}

function isEmpty(children: ReactNode): boolean {
  if (Array.isArray(children)) return children.every(isEmpty);
  return children === null || children === undefined || children === false || children === '';
}

function describeSkew(seconds: number | null): string | null {
  if (seconds === null) return null;
  if (Math.abs(seconds) < 60) return 'right to the minute';
  return `${formatSpan(seconds * 1000)} ${seconds > 0 ? 'fast' : 'slow'}`;
}
