/** The analytics of a model, every figure that the API tells; docs/analytics.md says what each means. */

import type { Analytics } from '../data/types.ts';
import { number } from '../format.ts';

const TITLES: Record<string, string> = {
  fee_pnl_moves_breakdown_table: 'Fees and profit',
  winners_losers_breakdown_table: 'Winners and losers',
  longs_shorts_breakdown_table: 'Longs and shorts',
  overall_trades_overview_table: 'Trades',
  signals_breakdown_table: 'Signals',
  invocation_breakdown_table: 'Invocations',
};

export function AnalyticsTables({ analytics }: { readonly analytics: Analytics }) {
  const tables = Object.entries(analytics).filter(
    (entry): entry is [string, Record<string, number>] => entry[0] in TITLES,
  );
  return (
    <div class="analytics">
      {tables.map(([name, figures]) => (
        <table key={name}>
          <caption>{TITLES[name]}</caption>
          <tbody>
            {Object.entries(figures).map(([figure, value]) => (
              <tr key={figure}>
                <th scope="row">{said(figure)}</th>
                <td class="figure numeric">{number(value, Number.isInteger(value) ? 0 : 2)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ))}
    </div>
  );
}

/** `avg_net_pnl` as one reads it. */
function said(name: string): string {
  const text = name
    .replaceAll('_', ' ')
    .replace(/\bpnl\b/g, 'P&L')
    .replace(/\bpct\b/g, '%')
    .replace(/\bavg\b/g, 'average')
    .replace(/\bstd\b/g, 'deviation of')
    .replace(/\bnum\b/g, 'number of')
    .replace(/\bconvo\b/g, 'signal');
  return text.charAt(0).toUpperCase() + text.slice(1);
}
