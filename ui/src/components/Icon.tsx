const paths = {
  alert:
    'M12 8v5m0 3.5v.01M10.3 3.9 2.4 17.6A2 2 0 0 0 4.1 20.6h15.8a2 2 0 0 0 1.7-3L13.7 3.9a2 2 0 0 0-3.4 0Z',
  check: 'm8 12.5 2.7 2.7L16 9.5M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z',
  cross: 'm9 9 6 6m0-6-6 6m3 6a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z',
  hidden:
    'M4 4l16 16M9.9 5.2A9.6 9.6 0 0 1 12 5c5 0 8.3 4 9.5 7a13 13 0 0 1-2.6 3.9M6.4 6.9A13.4 13.4 0 0 0 2.5 12c1.2 3 4.5 7 9.5 7 1.8 0 3.3-.5 4.7-1.2M9.9 10a3 3 0 0 0 4.1 4.2',
  clock: 'M12 7v5l3.2 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z',
  down: 'm6 9.5 6 6 6-6',
  up: 'm6 14.5 6-6 6 6',
  download: 'M12 4v11m-4.5-4.5L12 15l4.5-4.5M4.5 19.5h15',
  play: 'M7.5 5v14l11-7-11-7Z',
  refresh:
    'M4 12a8 8 0 0 1 13.7-5.6L20 8.5M20 4v4.5h-4.5M20 12a8 8 0 0 1-13.7 5.6L4 15.5M4 20v-4.5h4.5',
  search: 'm20 20-4.2-4.2M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14Z',
  close: 'm6 6 12 12M18 6 6 18',
  database:
    'M4.5 6c0 1.7 3.4 3 7.5 3s7.5-1.3 7.5-3-3.4-3-7.5-3-7.5 1.3-7.5 3Zm0 0v12c0 1.7 3.4 3 7.5 3s7.5-1.3 7.5-3V6m-15 6c0 1.7 3.4 3 7.5 3s7.5-1.3 7.5-3',
} as const;

export type IconName = keyof typeof paths;

/** Decoration only: the words stand beside it. */
export function Icon({ name, className = 'size-4' }: { name: IconName; className?: string }) {
  return (
    <svg
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="2"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      className={`shrink-0 ${className}`}
    >
      <path d={paths[name]} />
    </svg>
  );
}
