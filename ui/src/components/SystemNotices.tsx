import { useQuery } from '@tanstack/react-query';

import { systemQuery } from '../api/system';
import { formatInstant } from '../backups/format';
import { useClient } from '../hooks/useClient';
import { Notice } from './Notice';

const titles: Readonly<Record<string, string>> = {
  offline: 'The monitor cannot reach any outlet',
  credential_tripped: 'An account is paused',
  credential_doubted: 'An outlet refused the account',
};

/** Stands above the lists while something keeps many outlets from being looked at. */
export function SystemNotices({ live }: { live: boolean }) {
  const client = useClient();
  const { data } = useQuery({ ...systemQuery(client), refetchInterval: live ? 60_000 : 10_000 });
  return (data ?? []).map(({ code, subject, since, message }) => (
    <Notice
      key={`${code} ${subject}`}
      tone={code === 'credential_doubted' ? 'unseen' : 'bad'}
      title={`${titles[code] ?? 'Something concerns every outlet'}${since ? `, since ${formatInstant(since)}` : ''}`}
    >
      <p>{message}</p>
    </Notice>
  ));
}
