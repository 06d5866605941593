import { useRef, useState, type SubmitEvent } from 'react';

import { signIn } from '../api/auth';
import { Button } from '../components/Button';
import { Icon } from '../components/Icon';
import { Notice } from '../components/Notice';
import { useClient } from '../hooks/useClient';

interface SignInPageProps {
  /** Why the reader is here again. */
  notice: string | null;
  onSignedIn: (token: string) => void;
}

export function SignInPage({ notice, onSignedIn }: SignInPageProps) {
  const client = useClient();
  const [userId, setUserId] = useState('');
  const [password, setPassword] = useState('');
  const [pending, setPending] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const passwordField = useRef<HTMLInputElement>(null);

  const submit = async () => {
    setPending(true);
    setError(null);
    try {
      const { token } = await signIn(client, { userId: userId.trim(), password });
      onSignedIn(token);
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure));
      setPending(false);
      passwordField.current?.select();
    }
  };

  return (
    <main className="grid min-h-dvh place-items-center p-4">
      <div className="card w-full max-w-sm p-6">
        <h1 className="mb-5 flex items-center gap-2 text-lg font-semibold tracking-tight">
          <Icon name="database" className="size-6 text-accent" />
          Outlet DB Backup Monitor
        </h1>
        <form
          className="space-y-4"
          onSubmit={(event: SubmitEvent) => {
            event.preventDefault();
            void submit();
          }}
        >
          <label className="block text-sm font-medium">
            User ID
            <input
              className="field mt-1 w-full"
              name="userId"
              autoComplete="username"
              autoCapitalize="none"
              spellCheck={false}
              required
              autoFocus
              value={userId}
              onChange={(event) => {
                setUserId(event.target.value);
              }}
            />
          </label>
          <label className="block text-sm font-medium">
            Password
            <input
              ref={passwordField}
              className="field mt-1 w-full"
              type="password"
              name="password"
              autoComplete="current-password"
              required
              value={password}
              onChange={(event) => {
                setPassword(event.target.value);
              }}
            />
          </label>
          {error !== null && <Notice tone="bad" title={error} />}
          {error === null && notice !== null && <Notice tone="unseen" title={notice} />}
          <Button type="submit" look="primary" className="w-full" disabled={pending}>
            {pending ? 'Signing in…' : 'Sign in'}
          </Button>
        </form>
      </div>
    </main>
  );
}
