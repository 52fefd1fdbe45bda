/** What a report of `npm audit --json` means: the exit code, and what people are told. */
export function judge(text: string): { readonly code: number; readonly lines: readonly string[] };
