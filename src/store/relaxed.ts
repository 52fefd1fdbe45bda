/**
 * Part of a WITH: the commit of this statement need not have reached the disk when it is answered (docs/adr/0008-relaxed-commits.md says
 * where that is right). The statement must select from `relaxed`, else Postgres leaves it out.
 */
export const RELAXED = `relaxed AS (SELECT set_config('synchronous_commit', 'off', true))`;
