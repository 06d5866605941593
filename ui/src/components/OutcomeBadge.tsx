import { outcomeName, type Outcome } from '../backups/record';
import { Icon, type IconName } from './Icon';

const looks: Readonly<Record<Outcome, { icon: IconName; colours: string }>> = {
  failed: { icon: 'cross', colours: 'bg-bad-tint text-bad' },
  unseen: { icon: 'hidden', colours: 'bg-unseen-tint text-unseen' },
  ok: { icon: 'check', colours: 'bg-ok-tint text-ok' },
};

/** How a day stands, in colour, shape and words. */
export function OutcomeBadge({ outcome }: { outcome: Outcome }) {
  const { icon, colours } = looks[outcome];
  return (
    <span
      className={`inline-flex items-center gap-1 rounded-full py-0.5 pr-2 pl-1.5 text-xs font-medium whitespace-nowrap ${colours}`}
    >
      <Icon name={icon} className="size-3.5" />
      {outcomeName[outcome]}
    </span>
  );
}
