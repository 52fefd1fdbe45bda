/** `nof0 alert test`: whether people would be told, without any server of ours. */

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Receiver, startReceiver } from '../consumers/receiver.ts';
import { runNof0 } from '../processes.ts';

let receiver: Receiver;

beforeEach(async () => {
  receiver = await startReceiver(204, 403);
});
afterEach(() => receiver.close());

describe('nof0 alert test', () => {
  it('says what to set when nobody would be told', async () => {
    const { code, output } = await runNof0(['alert', 'test']);
    expect(code).toBe(1);
    expect(output).toContain('NOF0_ALERT_WEBHOOK_URL');
  });

  it('sends through every channel, says which took it, and shows no secret', async () => {
    const env = {
      NOF0_ALERT_WEBHOOK_URL: receiver.url,
      NOF0_ALERT_WEBHOOK_SECRET: 'alert-secret-0123456789',
    };
    const taken = await runNof0(['alert', 'test'], env);
    expect([taken.code, taken.output.trim()]).toEqual([0, 'webhook: taken']);
    expect(JSON.parse(receiver.received[0]?.body ?? '')).toMatchObject({ type: 'alert.test', data: { what: 'test' } });
    expect(receiver.received[0]?.headers['webhook-signature']).toMatch(/^v1,/);
    const refused = await runNof0(['alert', 'test', '--channel', 'slack', '--json'], {
      ...env,
      NOF0_ALERT_SLACK_URL: receiver.url,
    });
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.output)).toMatchObject({
      results: [{ channel: 'slack', kind: 'failed', reason: 'answered 403' }],
    });
    expect(refused.output).not.toContain(receiver.url);
  });
});
