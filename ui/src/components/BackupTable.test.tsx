import { render, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';

import { failingFirst } from '../backups/view';
import { record } from '../test/factories';
import { BackupTable } from './BackupTable';

const ignore = () => undefined;
const many = Array.from({ length: 2000 }, (_, index) => record({ outlet: `OUT${index + 1}` }));

test('keeps only the rows in sight in the page, and tells how many there are', () => {
  render(
    <BackupTable
      records={many}
      withDrives={false}
      sort={failingFirst}
      onSort={ignore}
      selection={null}
      onOpen={ignore}
    />,
  );
  expect(screen.getByRole('table')).toHaveAttribute('aria-rowcount', '2001');
  const rows = screen.getAllByRole('row');
  expect(rows.length).toBeGreaterThan(10);
  expect(rows.length).toBeLessThan(60);
  expect(rows[1]).toHaveAttribute('aria-rowindex', '2');
});

test('heads tell and change the order; the drive stands only where there is one', async () => {
  const onSort = vi.fn();
  const { rerender } = render(
    <BackupTable
      records={many}
      withDrives={false}
      sort={{ key: 'size', descending: true }}
      onSort={onSort}
      selection={null}
      onOpen={ignore}
    />,
  );
  expect(screen.getByRole('columnheader', { name: 'Size' })).toHaveAttribute(
    'aria-sort',
    'descending',
  );
  expect(screen.getByRole('columnheader', { name: 'Outlet' })).not.toHaveAttribute('aria-sort');
  expect(screen.queryByRole('columnheader', { name: 'Drive' })).toBeNull();
  await userEvent.click(screen.getByRole('button', { name: 'Age' }));
  expect(onSort).toHaveBeenCalledExactlyOnceWith('age');

  rerender(
    <BackupTable
      records={[record({ drive: 'E' })]}
      withDrives
      sort={failingFirst}
      onSort={onSort}
      selection={null}
      onOpen={ignore}
    />,
  );
  expect(screen.getByRole('columnheader', { name: 'Drive' })).toBeVisible();
  expect(screen.getByRole('cell', { name: 'E' })).toBeVisible();
});

test('rows are selected one by one and all at once, by keyboard too', async () => {
  const selection = { outlets: new Set(['OUT2']), onSelect: vi.fn(), onSelectAll: vi.fn() };
  const onOpen = vi.fn();
  render(
    <BackupTable
      records={[record({ outlet: 'OUT1' }), record({ outlet: 'OUT2' })]}
      withDrives={false}
      sort={failingFirst}
      onSort={ignore}
      selection={selection}
      onOpen={onOpen}
    />,
  );
  expect(screen.getByRole('checkbox', { name: 'Select OUT2' })).toBeChecked();
  expect(screen.getByRole('checkbox', { name: 'Select all in the list' })).not.toBeChecked();

  const user = userEvent.setup();
  screen.getByRole('checkbox', { name: 'Select OUT1' }).focus();
  await user.keyboard(' ');
  expect(selection.onSelect).toHaveBeenCalledExactlyOnceWith('OUT1', true);
  await user.tab();
  await user.keyboard('{Enter}');
  expect(onOpen).toHaveBeenCalledExactlyOnceWith('OUT1');
  await user.click(screen.getByRole('checkbox', { name: 'Select all in the list' }));
  expect(selection.onSelectAll).toHaveBeenCalledExactlyOnceWith(true);
});

test('a file dated after the scan date is marked in words', () => {
  render(
    <BackupTable
      records={[record({ afterScanDate: true })]}
      withDrives={false}
      sort={failingFirst}
      onSort={ignore}
      selection={null}
      onOpen={ignore}
    />,
  );
  const row = screen.getByRole('row', { name: /OUT0001/ });
  expect(within(row).getByText('dated after the scan date')).toBeInTheDocument();
});
