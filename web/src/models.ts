/** Names and colours of the models: one colour each, the same everywhere and after every reload. */

import { arena } from './data/arena.ts';
import { useStore } from './data/store.ts';

/** As many as `styles/colours.css` declares; more models begin again. */
const COLOURS = 10;

/** Class that sets `--model` to the colour of a model. */
export function useColourClass(id: string): string {
  return colourClass(
    useStore(arena, (value) => value.models).map((model) => model.id),
    id,
  );
}

export function colourClass(ids: readonly string[], id: string): string {
  const place = ids.indexOf(id);
  return place < 0 ? 'model-none' : `model-${place % COLOURS}`;
}

export function useModelName(id: string): string {
  return useStore(arena, (value) => nameOf(value.models, id));
}

export function nameOf(models: readonly { id: string; display_name: string }[], id: string): string {
  if (id === 'buynhold_btc' && !models.some((model) => model.id === id)) return 'BTC held';
  return models.find((model) => model.id === id)?.display_name ?? id;
}
