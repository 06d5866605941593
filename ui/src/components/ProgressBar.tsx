import type { Progress } from '../api/scans';

export function ProgressBar({ progress }: { progress: Progress }) {
  const { total, completed, success, failed, notObserved } = progress;
  return (
    <div
      role="progressbar"
      aria-label="Progress of the scan"
      aria-valuemin={0}
      aria-valuemax={total === 0 ? undefined : total}
      aria-valuenow={total === 0 ? undefined : completed}
      className="flex h-2 overflow-hidden rounded-full bg-sunken"
    >
      <Part colour="bg-ok" width={share(success, total)} />
      <Part colour="bg-bad" width={share(failed - notObserved, total)} />
      <Part colour="bg-unseen" width={share(notObserved, total)} />
    </div>
  );
}

function Part({ colour, width }: { colour: string; width: string }) {
  return (
    <div
      className={`${colour} transition-[width] duration-200 motion-reduce:transition-none`}
      style={{ width }}
    />
  );
}

function share(part: number, total: number): string {
  return total === 0 ? '0%' : `${(100 * part) / total}%`;
}
