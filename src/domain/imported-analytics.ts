/** Figures of another system about what a model decided: shown as imported where no cycles exist here to compute them from. */

import { z } from 'zod';
import type { AnalyticsPayload } from './analytics.ts';

const figure = z.number();

/** Counts, confidences and exposure; leverage is not among them, because it follows from the trades. */
const signals = z.object({
  num_long_signals: figure,
  num_short_signals: figure,
  num_hold_signals: figure,
  num_close_signals: figure,
  total_signals: figure,
  long_signal_pct: figure,
  short_signal_pct: figure,
  hold_signal_pct: figure,
  close_signal_pct: figure,
  long_short_ratio: figure,
  avg_confidence: figure,
  median_confidence: figure,
  std_confidence: figure,
  avg_confidence_long: figure,
  std_confidence_long: figure,
  avg_confidence_short: figure,
  std_confidence_short: figure,
  avg_confidence_hold: figure,
  std_confidence_hold: figure,
  avg_confidence_close: figure,
  std_confidence_close: figure,
  mins_long_combined: figure,
  mins_short_combined: figure,
  mins_flat_combined: figure,
  pct_mins_long_combined: figure,
  pct_mins_short_combined: figure,
  pct_mins_flat_combined: figure,
});

const invocations = z.object({
  num_invocations: figure,
  avg_invocation_break_mins: figure,
  min_invocation_break_mins: figure,
  max_invocation_break_mins: figure,
  std_invocation_break_mins: figure,
});

export const importedAnalyticsSchema = z.object({
  signals_breakdown_table: signals,
  invocation_breakdown_table: invocations,
  overall_trades_overview_table: z.object({ avg_convo_leverage: figure, median_convo_leverage: figure }),
  last_convo_doc_id: z.string().nullish(),
  last_convo_timestamp: figure.nullish(),
});

export type ImportedAnalytics = z.infer<typeof importedAnalyticsSchema>;

/** The payload with the imported figures in place of those that nothing here leads to; `imported` names their tables. */
export function withImported<T extends AnalyticsPayload>(payload: T, imported: ImportedAnalytics) {
  return {
    ...payload,
    signals_breakdown_table: { ...payload.signals_breakdown_table, ...imported.signals_breakdown_table },
    invocation_breakdown_table: { ...payload.invocation_breakdown_table, ...imported.invocation_breakdown_table },
    overall_trades_overview_table: {
      ...payload.overall_trades_overview_table,
      ...imported.overall_trades_overview_table,
    },
    last_convo_doc_id: payload.last_convo_doc_id ?? imported.last_convo_doc_id ?? null,
    last_convo_timestamp: payload.last_convo_timestamp ?? imported.last_convo_timestamp ?? null,
    imported: ['signals_breakdown_table', 'invocation_breakdown_table'],
  };
}
