/** Entries of a model's ledger. */

import { arena, marketNow } from '../data/arena.ts';
import type { Fill } from '../data/types.ts';
import { price, signedUsd, size, usd, when } from '../format.ts';
import { Change, Empty, Table, Waiting } from './parts.tsx';

const COLUMNS = [
  { label: 'When' },
  { label: 'Entry' },
  { label: 'Size', numeric: true },
  { label: 'Price', numeric: true },
  { label: 'Fee', numeric: true },
  { label: 'Realised', numeric: true },
];

export function Fills({ fills, ready }: { readonly fills: readonly Fill[]; readonly ready: boolean }) {
  if (!ready) return <Waiting rows={4} />;
  if (fills.length === 0) return <Empty>Nothing has been filled yet.</Empty>;
  const now = marketNow(arena.value);
  return (
    <Table caption="Fills and funding" columns={COLUMNS} class="fills">
      {fills.map((fill) => {
        const isTrade = fill.kind === 'trade';
        return (
          <tr key={fill.id}>
            <td class="plain" data-label="When">
              <time class="figure quiet-text">{when(fill.timestamp, now)}</time>
            </td>
            <td class="first" data-label="Entry">
              {isTrade ? fill.side : fill.kind} <strong>{fill.symbol}</strong>
              {fill.liquidation && <span class="tag loss">liquidation</span>}
            </td>
            <td class="numeric" data-label="Size">
              <span class="figure">{isTrade ? size(fill.size) : '–'}</span>
            </td>
            <td class="numeric" data-label="Price">
              <span class="figure">{isTrade ? price(fill.price) : '–'}</span>
            </td>
            <td class="numeric" data-label="Fee">
              <span class="figure">{isTrade ? usd(fill.fee_usd) : '–'}</span>
            </td>
            <td class="numeric result" data-label="Realised">
              <Change value={fill.closed_pnl} text={fill.closed_pnl === 0 ? '–' : signedUsd(fill.closed_pnl)} />
            </td>
          </tr>
        );
      })}
    </Table>
  );
}
