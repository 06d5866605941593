import { useMutation } from '@tanstack/react-query';
import { useState, type SubmitEvent } from 'react';

import { changePassword } from '../api/auth';
import { useClient } from '../hooks/useClient';
import { Button } from './Button';
import { Dialog } from './Dialog';
import { Notice } from './Notice';
import { PasswordField } from './PasswordField';

interface ChangePasswordDialogProps {
  onChanged: (token: string) => void;
  onClose: () => void;
}

export function ChangePasswordDialog({ onChanged, onClose }: ChangePasswordDialogProps) {
  const client = useClient();
  const [currentPassword, setCurrent] = useState('');
  const [newPassword, setNew] = useState('');
  const [again, setAgain] = useState('');
  const [differ, setDiffer] = useState(false);
  const change = useMutation({
    mutationFn: () => changePassword(client, { currentPassword, newPassword }),
    onSuccess: onChanged,
  });

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    setDiffer(newPassword !== again);
    if (newPassword === again) change.mutate();
  };

  return (
    <Dialog title="Change your password" onClose={onClose}>
      <form onSubmit={submit} className="space-y-4 text-sm">
        <p className="text-muted">Signs you out everywhere else.</p>
        <PasswordField
          label="Present password"
          autoComplete="current-password"
          value={currentPassword}
          onChange={setCurrent}
        />
        <PasswordField
          label="New password"
          autoComplete="new-password"
          value={newPassword}
          onChange={setNew}
        />
        <PasswordField
          label="New password once more"
          autoComplete="new-password"
          value={again}
          onChange={setAgain}
        />
        {differ && <Notice tone="bad" title="The new passwords differ" />}
        {!differ && change.error && (
          <Notice tone="bad" title="The password was not changed">
            <p>{change.error.message}</p>
          </Notice>
        )}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Close</Button>
          <Button type="submit" look="primary" disabled={change.isPending}>
            {change.isPending ? 'Changing…' : 'Change'}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
