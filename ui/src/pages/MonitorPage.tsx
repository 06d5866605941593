import { useState } from 'react';

import type { User } from '../api/auth';
import { localDate } from '../backups/format';
import { modes, type Mode, type ModeId } from '../backups/modes';
import { failingFirst, noFilter, type Filter, type Sort } from '../backups/view';
import { AppHeader } from '../components/AppHeader';
import { BackupsPanel } from '../components/BackupsPanel';
import { DayPicker } from '../components/DayPicker';
import { ModeSwitch } from '../components/ModeSwitch';
import { ScanSection } from '../components/ScanSection';
import { SystemNotices } from '../components/SystemNotices';
import { useFragment } from '../hooks/useFragment';
import { useLiveFeed } from '../hooks/useLiveFeed';
import { AccessPage } from './AccessPage';

interface MonitorPageProps {
  user: User;
  onNewSession: (token: string) => void;
  onSignOut: () => void;
}

/** The day's backups of every outlet, and the scans that look for them. */
export function MonitorPage({ user, onNewSession, onSignOut }: MonitorPageProps) {
  const live = useLiveFeed();
  const [modeId, setModeId] = useState<ModeId>('d_drive');
  const [scanDate, setScanDate] = useState<string | null>(null);
  const [filter, setFilter] = useState<Filter>(noFilter);
  const [sort, setSort] = useState<Sort>(failingFirst);
  const mode = modeOf(modeId);
  const access = useFragment() === 'access' && user.admin;
  const header = (
    <AppHeader
      user={user}
      live={live}
      place={access ? 'access' : 'backups'}
      onNewSession={onNewSession}
      onSignOut={onSignOut}
    />
  );

  if (access) {
    return (
      <>
        {header}
        <AccessPage self={user.id} />
      </>
    );
  }
  return (
    <>
      {header}
      <main className="mx-auto max-w-[100rem] space-y-3 px-4 py-4 sm:px-6">
        <SystemNotices live={live} mayRetry={user.admin} />
        <div className="flex flex-wrap items-center gap-3">
          <ModeSwitch value={modeId} onChange={setModeId} />
          <DayPicker mode={mode} value={scanDate} onChange={setScanDate} />
          <span className="grow" />
          <ScanSection
            user={user}
            mode={modeId}
            live={live}
            onStarted={({ scanDate: asked }) => {
              // What was asked for is what is shown next. A scan of today is
              // the latest: a display on a wall must go on to tomorrow's.
              setScanDate(asked !== null && asked < localDate(new Date()) ? asked : null);
            }}
          />
        </div>
        {/* A selection does not outlive the list that it was made in. */}
        <BackupsPanel
          key={`${modeId} ${scanDate ?? ''}`}
          user={user}
          mode={mode}
          scanDate={scanDate}
          live={live}
          filter={filter}
          onFilter={setFilter}
          sort={sort}
          onSort={setSort}
        />
      </main>
    </>
  );
}

function modeOf(id: ModeId): Mode {
  const mode = modes.find((each) => each.id === id);
  if (!mode) throw new Error(`no mode ${id}`);
  return mode;
}
