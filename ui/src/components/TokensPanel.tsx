import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';

import { tokensKey, tokensQuery, type ApiToken } from '../api/access';
import { formatInstant } from '../backups/format';
import { useClient } from '../hooks/useClient';
import { useNow } from '../hooks/useNow';
import { Button } from './Button';
import { Panel, PanelRow } from './Panel';
import { AddTokenDialog, RevokeTokenDialog } from './TokenDialogs';

/** The API tokens, for an Admin: what each is for, and when it was used last. */
export function TokensPanel() {
  const queries = useQueryClient();
  const now = useNow();
  const { data, error } = useQuery(tokensQuery(useClient()));
  const [dialog, setDialog] = useState<'add' | { revoke: ApiToken } | null>(null);
  const close = () => {
    setDialog(null);
  };
  const done = () => {
    close();
    void queries.invalidateQueries({ queryKey: tokensKey });
  };

  return (
    <>
      <Panel
        title="API tokens"
        add="Create token"
        onAdd={() => {
          setDialog('add');
        }}
        error={error}
      >
        {data?.map((token) => {
          const ended = endOf(token, now);
          return (
            <PanelRow
              key={token.id}
              title={token.name}
              mark={ended === null ? null : { word: ended, bad: false }}
              lines={linesOf(token)}
            >
              {ended === null && (
                <Button
                  aria-label={`Revoke ${token.name}`}
                  onClick={() => {
                    setDialog({ revoke: token });
                  }}
                >
                  Revoke
                </Button>
              )}
            </PanelRow>
          );
        })}
      </Panel>
      {dialog === 'add' && <AddTokenDialog onDone={done} onClose={close} />}
      {dialog !== null && dialog !== 'add' && (
        <RevokeTokenDialog token={dialog.revoke} onDone={done} onClose={close} />
      )}
    </>
  );
}

/** Why a token is good for nothing any more, null while it is. */
function endOf({ revokedAt, expiresAt }: ApiToken, now: Date): string | null {
  if (revokedAt) return 'Revoked';
  return expiresAt && expiresAt <= now ? 'Ended' : null;
}

function linesOf(token: ApiToken): string[] {
  const used = token.lastUsedAt
    ? `last used ${formatInstant(token.lastUsedAt)}${token.lastUsedFrom ? ` from ${token.lastUsedFrom}` : ''}`
    : 'never used';
  return [
    token.scope,
    used,
    token.expiresAt ? `until ${formatInstant(token.expiresAt)}` : '',
    `created by ${token.createdBy}${token.createdAt ? `, ${formatInstant(token.createdAt)}` : ''}`,
    token.id,
  ].filter((line) => line !== '');
}
