import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';

import { retryCredential, systemKey, systemQuery } from '../api/system';
import { formatInstant } from '../backups/format';
import { useClient } from '../hooks/useClient';
import { Button } from './Button';
import { Notice } from './Notice';

const titles: Readonly<Record<string, string>> = {
  offline: 'The monitor cannot reach any outlet',
  credential_tripped: 'An account is paused',
  credential_doubted: 'An outlet refused the account',
};

interface SystemNoticesProps {
  live: boolean;
  mayRetry: boolean;
}

/** Stands above the lists while something keeps many outlets from being looked at. */
export function SystemNotices({ live, mayRetry }: SystemNoticesProps) {
  const client = useClient();
  const { data } = useQuery({ ...systemQuery(client), refetchInterval: live ? 60_000 : 10_000 });
  return (data ?? []).map(({ code, subject, since, message }) => (
    <Notice
      key={`${code} ${subject}`}
      tone={code === 'credential_doubted' ? 'unseen' : 'bad'}
      title={`${titles[code] ?? 'Something concerns every outlet'}${since ? `, since ${formatInstant(since)}` : ''}`}
    >
      <p>{message}</p>
      {code === 'credential_tripped' && mayRetry && <RetryAccount account={subject} />}
    </Notice>
  ));
}

/** Has a paused account tried at once: for when its password is right again. */
function RetryAccount({ account }: { account: string }) {
  const client = useClient();
  const queries = useQueryClient();
  const retry = useMutation({
    mutationFn: () => retryCredential(client, account),
    onSettled: () => queries.invalidateQueries({ queryKey: systemKey }),
  });
  return (
    <div className="mt-2 flex flex-wrap items-center gap-3">
      <Button
        icon="refresh"
        disabled={retry.isPending}
        aria-label={`Try it now: ${account}`}
        onClick={() => {
          retry.mutate();
        }}
      >
        Try it now
      </Button>
      <p role="status">{retry.error?.message ?? retry.data ?? ''}</p>
    </div>
  );
}
