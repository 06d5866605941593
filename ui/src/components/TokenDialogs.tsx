import { useId, useState } from 'react';

import { addToken, revokeToken, type ApiToken, type NewToken } from '../api/access';
import { localDate } from '../backups/format';
import { useClient } from '../hooks/useClient';
import { Button } from './Button';
import { Dialog } from './Dialog';
import { FormDialog } from './FormDialog';
import { Notice } from './Notice';
import { TextField } from './TextField';

interface TokenDialogProps {
  onDone: () => void;
  onClose: () => void;
}

/** Makes a token and shows it, once. */
export function AddTokenDialog({ onDone, onClose }: TokenDialogProps) {
  const client = useClient();
  const [name, setName] = useState('');
  const [scope, setScope] = useState<NewToken['scope']>('display');
  const [lastDay, setLastDay] = useState('');
  const [token, setToken] = useState<string | null>(null);
  if (token !== null) return <NewTokenDialog token={token} scope={scope} onClose={onDone} />;
  return (
    <FormDialog
      title="Create an API token"
      action="Create"
      failed="The token was not created"
      submit={async () => {
        const expiresAt = lastDay === '' ? null : endOf(lastDay);
        setToken(await addToken(client, { name, scope, expiresAt }));
      }}
      onDone={() => undefined}
      onClose={onClose}
    >
      <p className="text-muted">
        For programs and wall screens. A token may never change anything.
      </p>
      <TextField label="What it is for" required maxLength={100} value={name} onChange={setName} />
      <label className="block font-medium">
        May read
        <select
          className="field mt-1 w-full"
          value={scope}
          onChange={(event) => {
            setScope(event.target.value === 'read' ? 'read' : 'display');
          }}
        >
          <option value="display">What a wall screen shows</option>
          <option value="read">Everything that Support may read</option>
        </select>
      </label>
      <label className="block font-medium">
        Last day (empty: it does not end)
        <input
          type="date"
          className="field mt-1 block"
          min={localDate(new Date())}
          value={lastDay}
          onChange={(event) => {
            setLastDay(event.target.value);
          }}
        />
      </label>
    </FormDialog>
  );
}

/** The end of a day of the reader's. */
function endOf(date: string): Date {
  return new Date(`${date}T23:59:59`);
}

interface NewTokenDialogProps {
  token: string;
  scope: string;
  onClose: () => void;
}

function NewTokenDialog({ token, scope, onClose }: NewTokenDialogProps) {
  const page = `${window.location.origin}${window.location.pathname}#token=${token}`;
  return (
    <Dialog title="The new token" onClose={onClose}>
      <div className="space-y-4 text-sm">
        <Notice tone="unseen" title="Copy it now: it is not shown again." />
        <Copyable label="Token" text={token} />
        {scope === 'display' && <Copyable label="Address for the screen" text={page} />}
        <div className="flex justify-end">
          <Button look="primary" onClick={onClose}>
            Done
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

function Copyable({ label, text }: { label: string; text: string }) {
  const id = useId();
  return (
    <div>
      <label htmlFor={id} className="font-medium">
        {label}
      </label>
      <textarea
        id={id}
        readOnly
        rows={3}
        className="mt-1 w-full resize-none rounded-md border border-edge bg-sunken px-2.5 py-1.5 font-mono text-xs break-all"
        value={text}
        onFocus={(event) => {
          event.target.select();
        }}
      />
    </div>
  );
}

export function RevokeTokenDialog({
  token,
  onDone,
  onClose,
}: TokenDialogProps & { token: ApiToken }) {
  const client = useClient();
  return (
    <FormDialog
      title={`Revoke ${token.name}`}
      action="Revoke"
      failed="The token was not revoked"
      submit={() => revokeToken(client, token.id)}
      onDone={onDone}
      onClose={onClose}
    >
      <p>
        Whatever uses it is refused from now on. This cannot be taken back: create another token
        instead.
      </p>
    </FormDialog>
  );
}
