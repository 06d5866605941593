import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, expect, test, vi } from 'vitest';

import { modes, type Mode } from '../backups/modes';
import { renderWithin } from '../test/render';
import { fakeServer, json, problem } from '../test/server';
import { ListActions } from './ListActions';

const [dDrive] = modes as [Mode];

afterEach(() => {
  vi.restoreAllMocks();
});

function show(selected: readonly string[] | null) {
  const onClearSelection = vi.fn();
  renderWithin(
    <ListActions
      mode={dDrive}
      rescanDate={null}
      scanDate="2026-02-21"
      shown={3}
      total={2000}
      selected={selected}
      onClearSelection={onClearSelection}
    >
      {null}
    </ListActions>,
  );
  return onClearSelection;
}

test('saves the date that is shown under a name that tells it', async () => {
  const server = fakeServer({
    'GET /backup-stats': () =>
      new Response('\uFEFFoutletCode\r\nOUT0001\r\n', {
        headers: { 'Content-Type': 'text/csv; charset=utf-8' },
      }),
  });
  const saved: string[] = [];
  vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(function click(
    this: HTMLAnchorElement,
  ) {
    saved.push(`${this.download} ${this.href}`);
  });
  URL.createObjectURL = () => 'blob:monitor';
  URL.revokeObjectURL = () => undefined;

  show(null);
  await userEvent.click(screen.getByRole('button', { name: 'Download CSV' }));
  await waitFor(() => {
    expect(saved).toEqual(['d_drive-2026-02-21.csv blob:monitor']);
  });
  expect(server.seen[0]?.query.toString()).toBe(
    'date_from=2026-02-21&date_to=2026-02-21&format=csv',
  );
  expect(server.seen[0]?.headers.get('Authorization')).toBe('Bearer token-1');
});

test('re-scanning is offered only for a selection', () => {
  show([]);
  expect(screen.queryByRole('button', { name: 'Re-scan selected' })).toBeNull();
  expect(screen.getByText('3 of 2,000 outlets')).toBeVisible();
});

test('a re-scan that goes on says so; one that fails keeps the selection', async () => {
  const server = fakeServer({
    'POST /backup-status/sync': () => problem(409, 'The outlet is paused.'),
  });
  const onClearSelection = show(['OUT0001']);
  await userEvent.click(screen.getByRole('button', { name: 'Re-scan selected' }));
  expect(await screen.findByText('The outlet is paused.')).toBeVisible();
  expect(onClearSelection).not.toHaveBeenCalled();

  server.on('POST /backup-status/sync', () => json({ status: 'success', scanId: 's1' }, 202));
  await userEvent.click(screen.getByRole('button', { name: 'Re-scan selected' }));
  expect(await screen.findByText(/still going on/)).toBeVisible();
  expect(onClearSelection).toHaveBeenCalledOnce();
});
