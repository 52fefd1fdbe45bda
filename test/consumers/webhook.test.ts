import { describe, expect, it } from 'vitest';
import { webhookBody, webhookId, webhookSignature } from '../../src/consumers/webhook.ts';

describe('a posted trade', () => {
  it('is signed as the specification shows', () => {
    const signature = webhookSignature(
      'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      'msg_p5jXN8AQM9LWM0D4loKWxJek',
      1_614_265_330,
      '{"test": 2432232314}',
    );
    expect(signature).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  });

  it('has one identity a revision, fit for a header whatever the trade is called', () => {
    const fields = { event: 'trade.revised', id: 'modèle|BTC|7\n', revision: '2' };
    expect(webhookId(fields)).toBe('mod%C3%A8le%7CBTC%7C7%0A:2');
    expect(webhookId({ ...fields, revision: '3' })).not.toBe(webhookId(fields));
  });

  it('says numbers as numbers', () => {
    expect(JSON.parse(webhookBody({ event: 'trade', id: '7', revision: '0', pnl: '-1.5', symbol: 'BTC' }))).toEqual({
      type: 'trade',
      data: { id: '7', revision: 0, pnl: -1.5, symbol: 'BTC' },
    });
  });
});
