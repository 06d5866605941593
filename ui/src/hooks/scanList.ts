import type { Progress, Scan } from '../api/scans';

/** How many outcomes stay until they are dismissed. */
const mostEnded = 2;

/** The scans with the end of one of them. Only full scans leave their outcome behind. */
export function withEnded(scans: readonly Scan[], id: string, progress: Progress): Scan[] {
  const others = scans.filter((scan) => scan.id !== id);
  const running = others.filter(isRunning);
  const ended = others.filter((scan) => !isRunning(scan));
  const scan = scans.find((each) => each.id === id);
  if (scan?.full) ended.unshift({ ...scan, progress });
  return [...running, ...ended.slice(0, mostEnded)];
}

/**
 * Running scans first, in the order of the server's list; one that the list does
 * not have yet was started just now.
 */
export function inOrder(scans: readonly Scan[], listed: readonly Scan[]): Scan[] {
  const places = new Map(listed.map((scan, index) => [scan.id, index]));
  const place = (scan: Scan) => (isRunning(scan) ? (places.get(scan.id) ?? -1) : places.size);
  return [...scans].sort((a, b) => place(a) - place(b));
}

function isRunning(scan: Scan): boolean {
  return scan.progress.state === 'running';
}
