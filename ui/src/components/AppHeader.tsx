import { useState } from 'react';

import type { User } from '../api/auth';
import { Button } from './Button';
import { ChangePasswordDialog } from './ChangePasswordDialog';
import { Icon } from './Icon';

interface AppHeaderProps {
  user: User;
  live: boolean;
  place: 'backups' | 'access';
  /** The token of the session that goes on after a new password. */
  onNewSession: (token: string) => void;
  onSignOut: () => void;
}

export function AppHeader({ user, live, place, onNewSession, onSignOut }: AppHeaderProps) {
  const [changing, setChanging] = useState(false);
  return (
    <header className="border-b border-line bg-surface">
      <div className="mx-auto flex max-w-[100rem] flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2 sm:px-6">
        <Icon name="database" className="size-6 text-accent" />
        <h1 className="shrink-0 text-base font-semibold tracking-tight">
          <span className="max-sm:hidden">Outlet DB </span>Backup Monitor
        </h1>
        <LiveSign live={live} />
        {user.admin && (
          <a
            href={place === 'access' ? '#' : '#access'}
            className="rounded-md px-2 py-1.5 text-sm font-medium text-accent hover:bg-sunken"
          >
            {place === 'access' ? 'Backups' : 'Access'}
          </a>
        )}
        <div className="ml-auto flex min-w-0 items-center gap-3">
          <div className="min-w-0 text-right leading-tight">
            <p className="truncate text-sm font-medium">{user.name}</p>
            <p className="truncate text-xs text-muted">
              {user.admin ? 'Admin' : 'Support'}
              {user.designation && <span className="max-sm:hidden"> · {user.designation}</span>}
            </p>
          </div>
          {!user.program && (
            <Button
              look="quiet"
              onClick={() => {
                setChanging(true);
              }}
            >
              Password
            </Button>
          )}
          <Button onClick={onSignOut}>Sign out</Button>
        </div>
      </div>
      {changing && (
        <ChangePasswordDialog
          onChanged={onNewSession}
          onClose={() => {
            setChanging(false);
          }}
        />
      )}
    </header>
  );
}

function LiveSign({ live }: { live: boolean }) {
  return (
    <p
      role="status"
      title={live ? 'Changes show at once' : 'Changes show within half a minute'}
      className="flex items-center gap-1.5 text-xs text-muted"
    >
      <span
        aria-hidden="true"
        className={`size-2 rounded-full ${live ? 'bg-ok' : 'border border-edge'}`}
      />
      <span className="max-sm:sr-only">{live ? 'Live' : 'Not live'}</span>
    </p>
  );
}
