import { formatCount } from '../backups/format';
import { outcomeName, type Outcome } from '../backups/record';
import type { Summary } from '../backups/summary';
import { Icon, type IconName } from './Icon';

interface SummaryTilesProps {
  summary: Summary;
  selected: Outcome | null;
  onSelect: (outcome: Outcome | null) => void;
}

const tiles: readonly { outcome: Outcome | null; icon: IconName; colour: string; hint: string }[] =
  [
    { outcome: null, icon: 'database', colour: 'text-muted', hint: 'outlets in the list' },
    { outcome: 'ok', icon: 'check', colour: 'text-ok', hint: 'recent backup found' },
    { outcome: 'failed', icon: 'cross', colour: 'text-bad', hint: 'missing, old or too small' },
    { outcome: 'unseen', icon: 'hidden', colour: 'text-unseen', hint: 'neither good nor missing' },
  ];

/** What the list adds up to. Each tile narrows the list to what it counts. */
export function SummaryTiles({ summary, selected, onSelect }: SummaryTilesProps) {
  return (
    <ul aria-label="Summary" className="grid grid-cols-2 gap-2 sm:gap-3 lg:grid-cols-4">
      {tiles.map(({ outcome, icon, colour, hint }) => (
        <li key={outcome ?? 'total'}>
          <button
            type="button"
            aria-pressed={selected === outcome}
            onClick={() => {
              onSelect(outcome);
            }}
            className="card w-full px-3 py-2.5 text-left hover:border-edge aria-pressed:border-accent aria-pressed:ring-1 aria-pressed:ring-accent sm:px-4 sm:py-3"
          >
            <span className={`flex items-center gap-1.5 text-sm font-medium ${colour}`}>
              <Icon name={icon} />
              {outcome === null ? 'Total' : outcomeName[outcome]}
            </span>
            <span className="mt-0.5 block text-2xl font-semibold tabular-nums">
              {formatCount(outcome === null ? summary.total : summary.counts[outcome])}
            </span>
            <span className="block truncate text-xs text-muted">{hint}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}
