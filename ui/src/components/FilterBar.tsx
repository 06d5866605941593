import { causeName } from '../backups/causes';
import { formatCount } from '../backups/format';
import { outcomeName, outcomes, type Outcome } from '../backups/record';
import type { Summary } from '../backups/summary';
import { isFiltered, noFilter, type Filter } from '../backups/view';
import { Button } from './Button';
import { Icon } from './Icon';

interface FilterBarProps {
  filter: Filter;
  summary: Summary;
  onChange: (filter: Filter) => void;
}

export function FilterBar({ filter, summary, onChange }: FilterBarProps) {
  const causes = summary.causes.map(({ cause }) => cause);
  if (filter.cause !== null && !causes.includes(filter.cause)) causes.push(filter.cause);
  const countOfCause = (cause: string) =>
    summary.causes.find((entry) => entry.cause === cause)?.count ?? 0;

  return (
    <div role="search" className="flex flex-wrap items-center gap-2 max-sm:w-full">
      <label className="relative max-sm:w-full sm:w-64">
        <span className="sr-only">Find outlet, server, file or message</span>
        <Icon name="search" className="absolute top-2.5 left-2.5 size-4 text-muted" />
        <input
          type="search"
          className="field w-full pl-8"
          placeholder="Outlet, server, file, message"
          value={filter.text}
          onChange={(event) => {
            onChange({ ...filter, text: event.target.value });
          }}
        />
      </label>
      <select
        aria-label="Status"
        className="field max-w-52 min-w-0 max-sm:flex-1"
        value={filter.outcome ?? ''}
        onChange={(event) => {
          onChange({ ...filter, outcome: toOutcome(event.target.value) });
        }}
      >
        <option value="">Every status</option>
        {outcomes.map((outcome) => (
          <option key={outcome} value={outcome}>
            {outcomeName[outcome]} ({formatCount(summary.counts[outcome])})
          </option>
        ))}
      </select>
      <select
        aria-label="Cause"
        className="field max-w-52 min-w-0 max-sm:flex-1"
        value={filter.cause ?? ''}
        onChange={(event) => {
          onChange({ ...filter, cause: event.target.value === '' ? null : event.target.value });
        }}
      >
        <option value="">Every cause</option>
        {causes.map((cause) => (
          <option key={cause} value={cause}>
            {causeName(cause)} ({formatCount(countOfCause(cause))})
          </option>
        ))}
      </select>
      {isFiltered(filter) && (
        <Button
          look="quiet"
          icon="close"
          aria-label="Clear filter"
          onClick={() => {
            onChange(noFilter);
          }}
        >
          Clear
        </Button>
      )}
    </div>
  );
}

function toOutcome(value: string): Outcome | null {
  return outcomes.find((outcome) => outcome === value) ?? null;
}
