/** Light, dark, or as the system has it. The stylesheet follows `color-scheme`; who draws on a canvas asks to be told. */

import { useState } from 'preact/hooks';
import { Store, useStore } from './data/store.ts';

const SCHEMES = ['system', 'light', 'dark'] as const;
type Scheme = (typeof SCHEMES)[number];
const KEY = 'nof0-scheme';

const media = matchMedia('(prefers-color-scheme: dark)');
const scheme = new Store<{ readonly changes: number }>({ changes: 0 });
const changed = () => scheme.set({ changes: scheme.value.changes + 1 });
media.addEventListener('change', changed);

function stored(): Scheme {
  try {
    const value = localStorage.getItem(KEY);
    return SCHEMES.find((each) => each === value) ?? 'system';
  } catch {
    // A browser that keeps nothing: the system decides.
    return 'system';
  }
}

function apply(value: Scheme): void {
  document.documentElement.style.colorScheme = value === 'system' ? '' : value;
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // See above.
  }
  changed();
}

apply(stored());

/** Counts changes of the scheme. */
export const useScheme = (): number => useStore(scheme, (value) => value.changes);

const SAID: Record<Scheme, string> = { system: 'Auto', light: 'Light', dark: 'Dark' };

export function SchemeButton() {
  const [value, setValue] = useState(stored);
  const next = SCHEMES[(SCHEMES.indexOf(value) + 1) % SCHEMES.length] ?? 'system';
  const turn = () => {
    setValue(next);
    apply(next);
  };
  return (
    <button type="button" class="quiet" onClick={turn} aria-label={`Colours: ${SAID[value]}. Change to ${SAID[next]}.`}>
      <svg viewBox="0 0 16 16" class="icon" aria-hidden="true">
        <circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="1.5" />
        <path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor" />
      </svg>
      {SAID[value]}
    </button>
  );
}
