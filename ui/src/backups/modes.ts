/** The two places where an outlet keeps its backups. */
export type ModeId = 'd_drive' | 'ib_storage';

export interface Mode {
  id: ModeId;
  name: string;
  statsPath: string;
  statusPath: string;
}

export const modes: readonly Mode[] = [
  { id: 'd_drive', name: 'D drive', statsPath: '/backup-stats', statusPath: '/backup-status' },
  {
    id: 'ib_storage',
    name: 'USB IBSTORAGE',
    statsPath: '/ibstorage-stats',
    statusPath: '/ibstorage-status',
  },
];

export function modeName(id: string): string {
  return modes.find((mode) => mode.id === id)?.name ?? id;
}
