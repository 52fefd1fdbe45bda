/** Seasons: the one that is on, and what is left of the others: rankings that nobody changes any more. */

import { arena, marketNow } from '../data/arena.ts';
import { useStore } from '../data/store.ts';
import type { Season } from '../data/types.ts';
import { count, dayOf, NONE, pct, plural, signedPct, usd, when } from '../format.ts';
import { nameOf } from '../models.ts';
import { Link, useTitle } from '../router.tsx';
import { Change, Empty, ModelLink, Section, Table, Waiting } from './parts.tsx';

export const SEASONS_PATH = '/seasons';

/** The newest season in a few words, leading to all of them; nothing in an arena that has none. */
export function SeasonLink() {
  const season = useStore(arena, (value) => value.seasons?.[0]);
  if (season === undefined) return null;
  const now = marketNow(arena.value);
  return (
    <Link to={SEASONS_PATH}>
      Season “{season.name}”{' '}
      {season.ends === null ? `since ${when(season.starts, now)}` : `ended ${when(season.ends, now)}`}
    </Link>
  );
}

export function SeasonsView() {
  const seasons = useStore(arena, (value) => value.seasons);
  useTitle('Seasons · nof0 arena');
  const [newest, ...older] = seasons ?? [];
  return (
    <>
      <Link to="/" class="back">
        ← All models
      </Link>
      <div class="hero">
        <h1>Seasons</h1>
        <p class="quiet-text">
          In a season a model is measured by what it made of the equity it entered with. A frozen ranking stays as it
          is.
        </p>
      </div>
      {seasons === null ? (
        <Waiting rows={8} />
      ) : newest === undefined ? (
        <Empty>
          No season has been started yet. <code>nof0 season start NAME</code> begins one from the equity of that moment.
        </Empty>
      ) : (
        <>
          <Section id="season" title={newest.name} aside={<Span season={newest} />}>
            <Ranking season={newest} />
          </Section>
          {older.length > 0 && (
            <Section id="earlier" title="Earlier seasons" aside={plural(older.length, 'season')}>
              {older.map((season) => (
                <Earlier key={season.name} season={season} />
              ))}
            </Section>
          )}
        </>
      )}
    </>
  );
}

const STATES: Record<Season['state'], { readonly word: string; readonly tone: string; readonly about: string }> = {
  running: { word: 'running', tone: 'good', about: 'The ranking is that of now.' },
  ended: { word: 'not final', tone: 'warn', about: 'It has ended, and its ranking is not frozen yet.' },
  frozen: { word: 'final', tone: '', about: 'The ranking is frozen.' },
};

/** From when to when, and whether its ranking may still change. */
function Span({ season }: { readonly season: Season }) {
  const now = marketNow(arena.value);
  const { word, tone, about } = STATES[season.state];
  return (
    <>
      <span class="figure">
        {when(season.starts, now)} – {season.ends === null ? 'no end set' : when(season.ends, now)}
      </span>
      <span class={`tag ${tone}`} title={about}>
        {word}
      </span>
    </>
  );
}

function Earlier({ season }: { readonly season: Season }) {
  const models = useStore(arena, (value) => value.models);
  const won = season.ranking.filter(({ place }) => place === 1);
  const [first] = won;
  return (
    <details class="season">
      <summary>
        <strong>{season.name}</strong>
        <span class="quiet-text figure">
          {dayOf(season.starts)} – {season.ends === null ? '' : dayOf(season.ends)}
        </span>
        <span class="season-won">
          {first === undefined
            ? 'nobody took part'
            : `${won.map(({ id }) => nameOf(models, id)).join(', ')} ${signedPct(first.return_pct)}`}
        </span>
      </summary>
      <Ranking season={season} />
    </details>
  );
}

const COLUMNS = [
  { label: '#' },
  { label: 'Model' },
  { label: 'Return', numeric: true, hint: 'On the equity it entered with; deposits and withdrawals apart' },
  { label: 'Entered with', numeric: true },
  { label: 'Equity', numeric: true },
  { label: 'Win rate', numeric: true },
  { label: 'Trades', numeric: true },
  { label: 'Fees', numeric: true, hint: 'Of closed trades' },
];

function Ranking({ season }: { readonly season: Season }) {
  if (season.ranking.length === 0) return <Empty>Nobody took part in this season.</Empty>;
  return (
    <Table caption={`Ranking of season ${season.name}`} columns={COLUMNS} class="leaderboard">
      {season.ranking.map((row) => (
        <tr key={row.id}>
          <td class="rank figure">{row.place}</td>
          <td class="who first">
            <ModelLink id={row.id} />
          </td>
          <td class="numeric strong result" data-label="Return">
            <Change value={row.return_pct} text={signedPct(row.return_pct)} />
          </td>
          <td class="numeric" data-label="Entered with">
            <span class="figure">{usd(row.opening_equity)}</span>
          </td>
          <td class="numeric" data-label="Equity">
            <span class="figure">{usd(row.equity)}</span>
          </td>
          <td class="numeric" data-label="Win rate">
            <span class="figure">{row.num_trades > 0 ? pct((100 * row.num_wins) / row.num_trades, 0) : NONE}</span>
          </td>
          <td class="numeric" data-label="Trades">
            <span class="figure">{count(row.num_trades)}</span>
          </td>
          <td class="numeric" data-label="Fees">
            <span class="figure">{usd(row.fees)}</span>
          </td>
        </tr>
      ))}
    </Table>
  );
}
