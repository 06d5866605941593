import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';

import { summarise } from '../backups/summary';
import { noFilter, type Filter } from '../backups/view';
import { record } from '../test/factories';
import { FilterBar } from './FilterBar';

const summary = summarise([record(), record({ outcome: 'unseen', cause: 'timeout' })]);

function show(filter: Filter) {
  const onChange = vi.fn();
  render(<FilterBar filter={filter} summary={summary} onChange={onChange} />);
  return onChange;
}

test('offers the causes that occur, with how often', () => {
  show(noFilter);
  const options = [...screen.getByLabelText<HTMLSelectElement>('Cause').options];
  expect(options.map((option) => option.text)).toEqual([
    'Every cause',
    'Recent backup found (1)',
    'No answer in time (1)',
  ]);
});

test('a cause that no longer occurs stays chosen, in sight', () => {
  show({ ...noFilter, cause: 'stale' });
  expect(screen.getByLabelText('Cause')).toHaveDisplayValue('Backup too old (0)');
});

test('choosing changes one part and clearing all', async () => {
  const filter: Filter = { ...noFilter, text: 'harbour' };
  const onChange = show(filter);
  await userEvent.selectOptions(screen.getByLabelText('Status'), 'Could not look (1)');
  expect(onChange).toHaveBeenLastCalledWith({ ...filter, outcome: 'unseen' });
  await userEvent.selectOptions(screen.getByLabelText('Status'), 'Every status');
  expect(onChange).toHaveBeenLastCalledWith(filter);
  await userEvent.click(screen.getByRole('button', { name: 'Clear filter' }));
  expect(onChange).toHaveBeenLastCalledWith(noFilter);
});
