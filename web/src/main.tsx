import { render } from 'preact';
import { App } from './app.tsx';
import { startArena } from './data/arena.ts';

const root = document.getElementById('page');
if (root !== null) {
  root.replaceChildren();
  render(<App />, root);
  startArena();
}
