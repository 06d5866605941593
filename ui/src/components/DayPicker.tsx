import { useQuery } from '@tanstack/react-query';

import { daysQuery } from '../api/backups';
import { formatDay } from '../backups/format';
import type { Mode } from '../backups/modes';
import { useClient } from '../hooks/useClient';

interface DayPickerProps {
  mode: Mode;
  /** Null stands for the latest scan date, whichever it is. */
  value: string | null;
  onChange: (scanDate: string | null) => void;
}

export function DayPicker({ mode, value, onChange }: DayPickerProps) {
  const days = useQuery(daysQuery(useClient(), mode));
  const dates = days.data?.map((day) => day.scanDate) ?? [];
  if (value !== null && !dates.includes(value)) dates.push(value);
  return (
    <label className="flex items-center gap-2 text-sm text-muted">
      Scan date
      <select
        className="field"
        value={value ?? ''}
        onChange={(event) => {
          onChange(event.target.value === '' ? null : event.target.value);
        }}
      >
        <option value="">Latest</option>
        {dates.map((date) => (
          <option key={date} value={date}>
            {formatDay(date)}
          </option>
        ))}
      </select>
    </label>
  );
}
