import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';

import { accountsKey, accountsQuery, setActive, unlock, type Account } from '../api/access';
import { countOf, formatInstant } from '../backups/format';
import { useClient } from '../hooks/useClient';
import { AddAccountDialog, ChangeAccountDialog, SetPasswordDialog } from './AccountDialogs';
import { Button } from './Button';
import { Panel, PanelRow } from './Panel';

/** What is open above the list. */
type Open =
  { kind: 'add' } | { kind: 'change'; account: Account } | { kind: 'password'; id: string };

/** The users, for an Admin: who may sign in, and as what. */
export function UsersPanel({ self }: { self: string }) {
  const client = useClient();
  const queries = useQueryClient();
  const { data, error } = useQuery(accountsQuery(client));
  const [dialog, setDialog] = useState<Open | null>(null);
  const refresh = () => queries.invalidateQueries({ queryKey: accountsKey });
  const change = useMutation({
    mutationFn: (act: () => Promise<void>) => act(),
    onSettled: refresh,
  });
  const close = () => {
    setDialog(null);
  };
  const done = () => {
    close();
    void refresh();
  };

  return (
    <>
      <Panel
        title="Users"
        add="Add user"
        onAdd={() => {
          setDialog({ kind: 'add' });
        }}
        error={change.error ?? error}
      >
        {data?.map((account) => (
          <PanelRow
            key={account.id}
            title={account.name || account.id}
            mark={markOf(account)}
            lines={linesOf(account)}
          >
            {account.locked && (
              <Button
                aria-label={`Unlock ${account.id}`}
                disabled={change.isPending}
                onClick={() => {
                  change.mutate(() => unlock(client, account.id));
                }}
              >
                Unlock
              </Button>
            )}
            {account.id !== self && (
              <>
                <Button
                  aria-label={`Change ${account.id}`}
                  onClick={() => {
                    setDialog({ kind: 'change', account });
                  }}
                >
                  Change
                </Button>
                <Button
                  aria-label={`Set password of ${account.id}`}
                  onClick={() => {
                    setDialog({ kind: 'password', id: account.id });
                  }}
                >
                  Set password
                </Button>
                <Button
                  aria-label={`${account.active ? 'Disable' : 'Enable'} ${account.id}`}
                  disabled={change.isPending}
                  onClick={() => {
                    change.mutate(() => setActive(client, account.id, !account.active));
                  }}
                >
                  {account.active ? 'Disable' : 'Enable'}
                </Button>
              </>
            )}
          </PanelRow>
        ))}
      </Panel>
      {dialog?.kind === 'add' && <AddAccountDialog onDone={done} onClose={close} />}
      {dialog?.kind === 'change' && (
        <ChangeAccountDialog account={dialog.account} onDone={done} onClose={close} />
      )}
      {dialog?.kind === 'password' && (
        <SetPasswordDialog id={dialog.id} onDone={done} onClose={close} />
      )}
    </>
  );
}

function markOf({ active, locked }: Account) {
  if (!active) return { word: 'Disabled', bad: false };
  return locked ? { word: 'Locked', bad: true } : null;
}

function linesOf({ id, admin, designation, failures, lastSignIn }: Account): string[] {
  return [
    id,
    admin ? 'Admin' : 'Support',
    designation,
    failures > 0 ? countOf(failures, 'failed sign-in') : '',
    lastSignIn ? `last signed in ${formatInstant(lastSignIn)}` : 'never signed in',
  ].filter((line) => line !== '');
}
