import type { Stories } from '../src/engine/context.ts';
import { TASKS } from '../src/maintenance/tasks.ts';
import type { Resources } from '../src/resources.ts';
import type { Handler } from './define-worker.ts';

export function maintenanceHandler(resources: Resources, stories: Stories): Handler<'maintenance'> {
  return (payload, { signal }) => TASKS[payload.task](resources, signal, stories, payload.asOfMs);
}
