import { useSyncExternalStore } from 'react';

function subscribe(onChange: () => void) {
  window.addEventListener('hashchange', onChange);
  return () => {
    window.removeEventListener('hashchange', onChange);
  };
}

/** What stands behind the # of the page's address, and names the part that is shown. */
export function useFragment(): string {
  return useSyncExternalStore(subscribe, () => window.location.hash.replace(/^#/, ''));
}
