import type { Progress } from '../api/scans';

export function ProgressBar({ progress }: { progress: Progress }) {
  const { total, completed, success, failed } = progress;
  return (
    <div
      role="progressbar"
      aria-label="Progress of the scan"
      aria-valuemin={0}
      aria-valuemax={total}
      aria-valuenow={completed}
      className="flex h-2 overflow-hidden rounded-full bg-sunken"
    >
      <div
        className="bg-ok transition-[width] duration-200"
        style={{ width: share(success, total) }}
      />
      <div
        className="bg-bad transition-[width] duration-200"
        style={{ width: share(failed, total) }}
      />
    </div>
  );
}

function share(part: number, total: number): string {
  return total === 0 ? '0%' : `${(100 * part) / total}%`;
}
