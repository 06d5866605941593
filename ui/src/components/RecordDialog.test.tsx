import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';

import { record } from '../test/factories';
import { RecordDialog } from './RecordDialog';

test('says everything that is known, and leaves out what is not', async () => {
  const onClose = vi.fn();
  render(
    <RecordDialog
      record={record({
        outcome: 'failed',
        cause: 'stale',
        details: 'The newest backup is 31 h old.',
        clockSkew: -7200,
      })}
      onClose={onClose}
    />,
  );
  const terms = screen.getAllByRole('term').map((term) => term.textContent);
  expect(terms).toContain('Message');
  expect(terms).not.toContain('Drive');
  expect(terms).not.toContain('Name');
  expect(screen.getByText('The newest backup is 31 h old.')).toBeVisible();
  expect(screen.getByText('2 h slow')).toBeVisible();
  await userEvent.click(screen.getByRole('button', { name: 'Close' }));
  expect(onClose).toHaveBeenCalledOnce();
});
