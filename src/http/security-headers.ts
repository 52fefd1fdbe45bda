/** What browsers are told to keep every answer to. Pages get a strict content policy; anything else may not act as a page at all. */

const policy = (rules: readonly string[]) => rules.join('; ');

/** Own scripts, styles and images, nothing inline, nothing of others, in no frame. */
export const PAGE_POLICY = policy([
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
]);

/** The dashboard of the queues styles itself while it runs and names its own base; its scripts are files all the same. */
export const DASHBOARD_POLICY = PAGE_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'").replace(
  "base-uri 'none'",
  "base-uri 'self'",
);

const DATA_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** What every answer tells a browser. */
const ANSWER_HEADERS = { 'X-Content-Type-Options': 'nosniff', 'Cross-Origin-Resource-Policy': 'same-origin' };

/** Of answers that are data. */
export const DATA_HEADERS: Readonly<Record<string, string>> = {
  ...ANSWER_HEADERS,
  'Content-Security-Policy': DATA_POLICY,
};

const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
};

/** Sets the headers of an answer; a policy that it has already is left to it. */
export function secureAnswer({ headers }: Response): void {
  const isPage = headers.get('content-type')?.startsWith('text/html') === true;
  if (!headers.has('Content-Security-Policy'))
    headers.set('Content-Security-Policy', isPage ? PAGE_POLICY : DATA_POLICY);
  for (const [name, value] of Object.entries({ ...ANSWER_HEADERS, ...(isPage ? PAGE_HEADERS : {}) }))
    headers.set(name, value);
}
