import { useId, type ReactNode } from 'react';

import { Button } from './Button';
import { Notice } from './Notice';

interface PanelProps {
  title: string;
  /** What the button beside the title says. */
  add: string;
  onAdd: () => void;
  /** Of reading the list, or of the last thing that was done with it. */
  error: Error | null;
  children: ReactNode;
}

/** A list with its title, and what can be added to it. */
export function Panel({ title, add, onAdd, error, children }: PanelProps) {
  const titleId = useId();
  return (
    <section aria-labelledby={titleId} className="space-y-3">
      <div className="flex items-center justify-between gap-3">
        <h2 id={titleId} className="text-base font-semibold">
          {title}
        </h2>
        <Button onClick={onAdd}>{add}</Button>
      </div>
      {error && (
        <Notice tone="bad" title="That did not work">
          <p>{error.message}</p>
        </Notice>
      )}
      <ul aria-labelledby={titleId} className="card divide-y divide-line empty:hidden">
        {children}
      </ul>
    </section>
  );
}

interface PanelRowProps {
  title: string;
  /** Marked beside the title. */
  mark?: { word: string; bad: boolean } | null;
  /** What is known of it, each a line or a part of one. */
  lines: readonly string[];
  /** What can be done with it. */
  children?: ReactNode;
}

export function PanelRow({ title, mark, lines, children }: PanelRowProps) {
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-3">
      <div className="min-w-0 grow basis-64 text-sm">
        <p className="flex flex-wrap items-center gap-2 font-medium">
          <span className="min-w-0 break-words">{title}</span>
          {mark && (
            <span
              className={`rounded-full px-2 py-0.5 text-xs ${mark.bad ? 'bg-bad-tint text-bad' : 'bg-sunken text-muted'}`}
            >
              {mark.word}
            </span>
          )}
        </p>
        <p className="break-words text-muted">{lines.join(' · ')}</p>
      </div>
      <div className="flex flex-wrap gap-2 empty:hidden">{children}</div>
    </li>
  );
}
