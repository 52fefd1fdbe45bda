/** The page: what is above every view, the view itself, and what is below. */

import { arena, isDesk } from './data/arena.ts';
import { useStore } from './data/store.ts';
import { useRoute } from './router.tsx';
import { ArenaView } from './views/arena.tsx';
import { DeskView } from './views/desk.tsx';
import { ConnectionBanner, Header, ModeBanner } from './views/header.tsx';
import { ModelView } from './views/model.tsx';
import { SeasonsView } from './views/seasons.tsx';

export function App() {
  const route = useRoute();
  const run = useStore(arena, (value) => value.run);
  return (
    <>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <Header />
      <main id="main" tabIndex={-1}>
        <ModeBanner />
        {route.view === 'arena' && (isDesk ? <DeskView /> : <ArenaView />)}
        {route.view === 'seasons' && <SeasonsView />}
        {route.view === 'model' && <ModelView key={route.id} id={route.id} />}
      </main>
      <footer>
        <p>
          {run ? `Run “${run.name}”. ` : ''}Returns are since inception. Sharpe ratios are annualised from hourly
          returns. Times are this device’s.
        </p>
      </footer>
      <ConnectionBanner />
    </>
  );
}
