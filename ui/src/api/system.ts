import { queryOptions } from '@tanstack/react-query';

import type { Client } from './client';

/** What concerns more than one outlet, and everybody who reads the lists. */
export interface SystemNotice {
  /** offline, credential_tripped, credential_doubted, or a newer server's. */
  code: string;
  /** The prober, or the account. */
  subject: string;
  since: Date | null;
  message: string;
}

export const systemKey = ['system'] as const;

export function systemQuery(client: Client) {
  return queryOptions({
    queryKey: systemKey,
    queryFn: async ({ signal }): Promise<SystemNotice[]> => {
      const { body } = await client.json('/system/state', { signal });
      return body.objects('notices').map((notice) => ({
        code: notice.text('code'),
        subject: notice.text('subject'),
        since: notice.instantOrNull('since'),
        message: notice.text('message'),
      }));
    },
  });
}

/** Has a paused account tried by the next look, and gives the server's word on it. */
export async function retryCredential(client: Client, account: string): Promise<string> {
  const request = { method: 'POST', body: { account } } as const;
  const { body } = await client.json('/system/credentials/retry', request);
  return body.text('message');
}
