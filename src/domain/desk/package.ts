/** What a model is told beside prices and indicators when it is asked to confirm entries and exits of the desk. Stored in the frame. */

import type { MarketContext, Monitoring, SignalName, SignalType } from './published.ts';

/** A signal that is put before the model. */
export type AskedSignal = {
  readonly type: SignalType;
  readonly symbol: string;
  readonly reason: string;
  readonly price: number;
  readonly confidence: number;
};

export type DeskPackage = {
  readonly session: {
    readonly day: string;
    readonly openMs: number;
    readonly closeMs: number;
    /** False: too late in the session, or before it, for an entry. */
    readonly mayEnter: boolean;
  };
  readonly signals: readonly AskedSignal[];
  readonly candidates: readonly {
    readonly symbol: string;
    readonly score: number;
    readonly signals: readonly SignalName[];
  }[];
  /** By symbol, of those that a signal or a position names. */
  readonly sentiment: Readonly<Record<string, { readonly score: number; readonly newsCount: number }>>;
  readonly monitoring: Readonly<Record<string, Monitoring>>;
  readonly context: MarketContext | null;
};
