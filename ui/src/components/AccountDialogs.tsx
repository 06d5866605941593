import { useState } from 'react';

import {
  addAccount,
  changeAccount,
  setPassword,
  type Account,
  type AccountChange,
  type NewAccount,
} from '../api/access';
import { useClient } from '../hooks/useClient';
import { FormDialog } from './FormDialog';
import { PasswordField } from './PasswordField';
import { TextField } from './TextField';

interface AccountDialogProps {
  onDone: () => void;
  onClose: () => void;
}

export function AddAccountDialog({ onDone, onClose }: AccountDialogProps) {
  const client = useClient();
  const [account, setAccount] = useState<NewAccount>({
    userId: '',
    userName: '',
    designation: '',
    userType: 'S',
    password: '',
  });
  const set = (fields: Partial<NewAccount>) => {
    setAccount({ ...account, ...fields });
  };
  return (
    <FormDialog
      title="Add a user"
      action="Add"
      failed="The user was not added"
      submit={() => addAccount(client, account)}
      onDone={onDone}
      onClose={onClose}
    >
      <TextField
        label="User ID"
        required
        maxLength={20}
        value={account.userId}
        onChange={(userId) => {
          set({ userId });
        }}
      />
      <AccountFields account={account} onChange={set} />
      <PasswordField
        label="First password"
        autoComplete="new-password"
        value={account.password}
        onChange={(password) => {
          set({ password });
        }}
      />
    </FormDialog>
  );
}

/** Changes who somebody is, and what they may do. */
export function ChangeAccountDialog({
  account: { id, name, designation, admin },
  onDone,
  onClose,
}: AccountDialogProps & { account: Account }) {
  const client = useClient();
  const was: AccountChange = { userName: name, designation, userType: admin ? 'A' : 'S' };
  const [change, setChange] = useState<Partial<AccountChange>>({});
  return (
    <FormDialog
      title={`Change ${id}`}
      action="Change"
      failed="The user was not changed"
      submit={() => changeAccount(client, id, change)}
      onDone={onDone}
      onClose={onClose}
    >
      <AccountFields
        account={{ ...was, ...change }}
        onChange={(fields) => {
          setChange({ ...change, ...fields });
        }}
      />
      <p className="text-muted">Another role signs the user out everywhere.</p>
    </FormDialog>
  );
}

interface AccountFieldsProps {
  account: AccountChange;
  onChange: (fields: Partial<AccountChange>) => void;
}

function AccountFields({ account, onChange }: AccountFieldsProps) {
  return (
    <>
      <TextField
        label="Name"
        maxLength={100}
        value={account.userName}
        onChange={(userName) => {
          onChange({ userName });
        }}
      />
      <TextField
        label="Designation"
        maxLength={100}
        value={account.designation}
        onChange={(designation) => {
          onChange({ designation });
        }}
      />
      <label className="block font-medium">
        Role
        <select
          className="field mt-1 w-full"
          value={account.userType}
          onChange={(event) => {
            onChange({ userType: event.target.value === 'A' ? 'A' : 'S' });
          }}
        >
          <option value="S">Support: may look</option>
          <option value="A">Admin: may do everything</option>
        </select>
      </label>
    </>
  );
}

export function SetPasswordDialog({ id, onDone, onClose }: AccountDialogProps & { id: string }) {
  const client = useClient();
  const [password, setNew] = useState('');
  return (
    <FormDialog
      title={`New password for ${id}`}
      action="Set"
      failed="The password was not changed"
      submit={() => setPassword(client, id, password)}
      onDone={onDone}
      onClose={onClose}
    >
      <p className="text-muted">Signs the user out everywhere, and unlocks the account.</p>
      <PasswordField
        label="New password"
        autoComplete="new-password"
        value={password}
        onChange={setNew}
      />
    </FormDialog>
  );
}
