import { expect, it } from 'vitest';
import { defaultRun } from '../../src/run.ts';

it('a real market has a run of its own beside the demo, and shared servers have one that is named by nobody', () => {
  expect(defaultRun(false)).toBe('demo');
  expect(defaultRun(false, 'synthetic')).toBe('demo');
  expect(defaultRun(false, 'hyperliquid')).toBe('hyperliquid');
  expect(defaultRun(true, 'hyperliquid')).toBe('main');
});
