/** Hides secrets in whatever people get to see: log lines, payloads of jobs, messages of errors. */

const HIDDEN = '***';
/** Deeper than anything that is shown; keeps a circle from being followed for ever. */
const MAX_DEPTH = 8;
/** A shorter secret would hide ordinary words. */
const MIN_SECRET = 6;

/** Ends of names whose values are secrets, without signs and in lower case: `apiKey`, `db_password`, `X-Auth-Token`. */
const SECRET_NAME =
  /(apikey|password|passwd|secret|privatekey|authorization|cookie|mnemonic|(?:^|auth|access|refresh|bearer|api|session)token)$/;

const PATTERNS: readonly (readonly [RegExp, string])[] = [
  // user:password@host of an address.
  [/(\/\/[^:@/\s]*:)[^@/\s]*@/g, `$1${HIDDEN}@`],
  [/\b(Bearer|Basic) +[A-Za-z0-9._~+/=-]{8,}/gi, `$1 ${HIDDEN}`],
  [/([?&](?:token|key|api_?key|secret|password|signature)=)[^&\s"']+/gi, `$1${HIDDEN}`],
  // Keys of language models.
  [/\bsk-[A-Za-z0-9_-]{16,}/g, `sk-${HIDDEN}`],
];

/** Whether one of the patterns could match: most texts of a log hold nothing of the kind. */
const HINT = /\/\/|[?&]|sk-|bearer|basic/i;

const secretNames = new Map<string, boolean>();

function isSecretName(name: string): boolean {
  let known = secretNames.get(name);
  if (known === undefined) {
    known = SECRET_NAME.test(name.replace(/[-_]/g, '').toLowerCase());
    // Names come from code; those of payloads may be anybody's.
    if (secretNames.size < 10_000) secretNames.set(name, known);
  }
  return known;
}

/** The address with its credentials hidden: `postgres://user:***@host/db`. */
export function redactUrl(url: string): string {
  return url.replace(/(\/\/[^:@/]*:)[^@/]*@/, `$1${HIDDEN}@`);
}

export class Redactor {
  readonly #secrets: readonly string[];

  /** `secrets`: values that are hidden wherever they turn up. */
  constructor(secrets: readonly string[] = []) {
    // The longer first: one may hold another.
    this.#secrets = [...new Set(secrets)]
      .filter(({ length }) => length >= MIN_SECRET)
      .sort((a, b) => b.length - a.length);
  }

  text(text: string): string {
    if (text.length < MIN_SECRET) return text;
    let safe = text;
    for (const secret of this.#secrets) if (safe.includes(secret)) safe = safe.replaceAll(secret, HIDDEN);
    if (HINT.test(safe)) for (const [pattern, shown] of PATTERNS) safe = safe.replace(pattern, shown);
    return safe;
  }

  /** The value with its secrets hidden, however deep; the same value when it holds none. */
  value<T>(value: T, depth = 0): T {
    if (typeof value === 'string') return this.text(value) as T;
    if (depth >= MAX_DEPTH || !isPlain(value)) return value;
    if (Array.isArray(value)) {
      const items = value.map((item: unknown) => this.value(item, depth + 1));
      return (items.some((item, index) => item !== value[index]) ? items : value) as T;
    }
    let safe: Record<string, unknown> | null = null;
    for (const [name, inner] of Object.entries(value)) {
      const shown = isSecretName(name) && inner !== null ? HIDDEN : this.value(inner, depth + 1);
      if (shown === inner) continue;
      safe ??= { ...value };
      safe[name] = shown;
    }
    return (safe ?? value) as T;
  }
}

/** Objects of other classes (errors, dates) have forms of their own. */
function isPlain(value: unknown): value is Record<string, unknown> | unknown[] {
  if (typeof value !== 'object' || value === null) return false;
  return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
}
