/**
 * A parameter that the planner does not look into. Postgres plans a prepared statement anew for every call as long as the values of a
 * call promise it a cheaper plan than none would, and the length of an array nearly always does; where a lookup is over sooner than it is
 * planned, one plan for all calls is what we want. Indexes serve it like any other parameter.
 *
 * @param parameter with its type, for instance `$1::text[]`
 */
export function onePlan(parameter: `$${number}::${string}`): string {
  const type = parameter.slice(parameter.indexOf('::') + 2);
  // The outer cast makes it one value also behind ANY, which would take a bare SELECT for a list of rows.
  return `(SELECT ${parameter})::${type}`;
}
