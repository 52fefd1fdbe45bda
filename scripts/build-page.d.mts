/** Bundles the arena page into web/dist. */
export function buildPage(): Promise<void>;
