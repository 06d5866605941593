import { TokensPanel } from '../components/TokensPanel';
import { UsersPanel } from '../components/UsersPanel';

/** Who may do what: for Admins. */
export function AccessPage({ self }: { self: string }) {
  return (
    <main className="mx-auto max-w-4xl space-y-8 px-4 py-4 sm:px-6">
      <UsersPanel self={self} />
      <TokensPanel />
    </main>
  );
}
