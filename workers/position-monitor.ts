import type { Stories } from '../src/engine/context.ts';
import { Charts } from '../src/engine/desk/charts.ts';
import { monitorPositions } from '../src/engine/desk/monitor.ts';
import type { Handler } from './define-worker.ts';

export function positionMonitorHandler(stories: Stories): Handler<'position-monitor'> {
  const charts = new Charts(stories);
  return (payload, { signal }) => monitorPositions(stories, charts, payload.asOfMs, signal);
}
