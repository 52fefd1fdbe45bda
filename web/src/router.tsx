/** Which view an address means. Links are real links: they open in new tabs, and the browser's history works. */

import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { Store, useStore } from './data/store.ts';

export type Route =
  | { readonly view: 'arena' }
  | { readonly view: 'seasons' }
  | { readonly view: 'model'; readonly id: string };

const address = new Store({ path: location.pathname });

addEventListener('popstate', () => address.set({ path: location.pathname }));

export function useRoute(): Route {
  const path = useStore(address, (value) => value.path);
  if (/^\/seasons\/?$/.test(path)) return { view: 'seasons' };
  const id = /^\/models\/([^/]+)\/?$/.exec(path)?.[1];
  return id === undefined ? { view: 'arena' } : { view: 'model', id: decoded(id) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const modelPath = (id: string): string => `/models/${encodeURIComponent(id)}`;

export function go(path: string): void {
  if (path === location.pathname + location.hash) return;
  history.pushState(null, '', path);
  address.set({ path: location.pathname });
  scrollTo(0, 0);
  // Whoever uses a screen reader or the keyboard begins at the new view, not where the link was.
  document.querySelector<HTMLElement>('main')?.focus({ preventScroll: true });
}

type LinkProps = {
  readonly to: string;
  readonly class?: string;
  readonly children: ComponentChildren;
  readonly label?: string;
};

export function Link({ to, class: className, children, label }: LinkProps) {
  const follow = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(to);
  };
  return (
    <a href={to} class={className} aria-label={label} onClick={follow}>
      {children}
    </a>
  );
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title;
  }, [title]);
}
