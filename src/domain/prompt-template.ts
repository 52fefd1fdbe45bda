/** The wording of a prompt: a file with a version, a part for the system and a part for the user, and places that a decision's inputs fill. */

import { closest } from './closest.ts';
import { sha256 } from './random.ts';

/** What may stand between `{{` and `}}`. */
export const PLACEHOLDERS = {
  time: 'the slot, ISO 8601, UTC',
  decision_number: 'number of the decision of this model',
  account: 'equity, free margin, margin in use, number of positions',
  positions: 'the open positions, one a line; "none" without any',
  market:
    'the frame: prices, changes, funding, open interest, indicators, closes, highest leverage and size of every symbol; of the equities desk prices, changes, sizes and indicators of the stocks in question',
  symbols: 'the names of the symbols, with commas between them',
  limits: 'what an entry is held to, with the pauses that hold now',
  session: 'of the equities desk: its session, how long it lasts, whether entries are allowed',
  signals: 'of the equities desk: the signals to confirm, and the ranked candidates',
  sentiment: 'of the equities desk: what the news say about the stocks in question',
  monitoring: "of the equities desk: the monitor's look at every open position",
  market_context: 'of the equities desk: regime, volatility index, breadth, sectors',
  answer_format: 'how to answer, with an example that the platform accepts',
} as const;

export type Placeholder = keyof typeof PLACEHOLDERS;

export type PromptTemplate = {
  /** As the file names itself; stored with every cycle. */
  readonly version: string;
  /** SHA-256 of the file's text. */
  readonly digest: string;
  readonly system: string;
  readonly user: string;
};

/** `---`, `version: …`, `---`, `# System`, text, `# User`, text. */
const SHAPE = /^---\nversion: *(\S[^\n]{0,39}?) *\n---\n\s*# System\n([\s\S]*?)\n# User\n([\s\S]*)$/;
const PLACE = /\{\{([^{}]*)\}\}/g;

/** Reads a template; what is wrong with it where it is none. */
export function parsePromptTemplate(
  text: string,
): { readonly template: PromptTemplate } | { readonly faults: readonly string[] } {
  const plain = text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n');
  const [, version, system, user] = SHAPE.exec(plain) ?? [];
  if (version === undefined || system === undefined || user === undefined)
    return { faults: ['"---", "version: NAME", "---", then a part under "# System" and one under "# User"'] };
  const known = Object.keys(PLACEHOLDERS);
  const unknown = [...new Set([...plain.matchAll(PLACE)].map(([, name = '']) => name))].filter(
    (name) => !known.includes(name),
  );
  if (unknown.length > 0) {
    return {
      faults: unknown.map((name) => {
        const guess = closest(name, known);
        return `a known place instead of {{${name}}}${guess ? `; did you mean {{${guess}}}?` : `: ${known.join(', ')}`}`;
      }),
    };
  }
  return { template: { version, digest: sha256(plain), system: system.trim(), user: user.trim() } };
}

/** The text with its places filled. What is filled in is not searched for places. */
export function fill(text: string, values: Readonly<Record<Placeholder, string>>): string {
  return text.replace(PLACE, (_, name: string) => values[name as Placeholder]);
}
