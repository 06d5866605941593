import type { ReactNode } from 'react';

import { Button } from './Button';
import { Icon, type IconName } from './Icon';

type Tone = 'bad' | 'unseen' | 'ok';

interface NoticeProps {
  tone: Tone;
  title: string;
  children?: ReactNode;
  onDismiss?: () => void;
}

const tones: Readonly<Record<Tone, { icon: IconName; colours: string }>> = {
  bad: { icon: 'alert', colours: 'bg-bad-tint text-bad' },
  unseen: { icon: 'alert', colours: 'bg-unseen-tint text-unseen' },
  ok: { icon: 'check', colours: 'bg-ok-tint text-ok' },
};

/** A message about what just happened; read out at once when it is bad. */
export function Notice({ tone, title, children, onDismiss }: NoticeProps) {
  const { icon, colours } = tones[tone];
  return (
    <div
      role={tone === 'bad' ? 'alert' : 'status'}
      className={`flex items-start gap-2 rounded-md px-3 py-2 text-sm ${colours}`}
    >
      <Icon name={icon} className="mt-0.5 size-4" />
      <div className="min-w-0 grow">
        <p className="font-medium">{title}</p>
        {children}
      </div>
      {onDismiss && (
        <Button
          look="quiet"
          icon="close"
          aria-label="Dismiss"
          className="-my-1.5 -mr-2 text-inherit"
          onClick={onDismiss}
        />
      )}
    </div>
  );
}
