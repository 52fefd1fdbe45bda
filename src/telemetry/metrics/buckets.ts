/** Limits of histograms, seconds. */

export const LATENCY_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** A cache answers in parts of a millisecond. */
export const READ_BUCKETS_S = [0.0001, 0.00025, 0.0005, ...LATENCY_BUCKETS_S];
