import { describe, expect, it } from 'vitest';
import { environmentFields } from '../../src/config/environment.ts';
import { parseClusterAddress } from '../../src/domain/redis-address.ts';
import { KeyRegistry } from '../../src/redis/keys.ts';
import { testConfig } from '../harness.ts';

const plain = { tls: false, username: null, password: null };

describe('the address of a cluster', () => {
  it('names one node or more', () => {
    expect(parseClusterAddress('redis+cluster://a:7000,b:7001')).toEqual({
      ...plain,
      nodes: [
        { host: 'a', port: 7000 },
        { host: 'b', port: 7001 },
      ],
    });
    expect(parseClusterAddress('redis+cluster://a/0')).toEqual({ ...plain, nodes: [{ host: 'a', port: 6379 }] });
    expect(parseClusterAddress('redis+cluster://[::1]:7000')?.nodes).toEqual([{ host: '::1', port: 7000 }]);
  });

  it('carries a user, a password and TLS for all of them', () => {
    expect(parseClusterAddress('rediss+cluster://me:p%40ss@a:1,b:2')).toEqual({
      tls: true,
      username: 'me',
      password: 'p@ss',
      nodes: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
      ],
    });
  });

  it.each([
    'redis://a:7000',
    'redis+cluster://',
    'redis+cluster://a:7000,',
    'redis+cluster://a:x',
    'redis+cluster://a:1/2',
    'http://a',
  ])('is not %s', (text) => expect(parseClusterAddress(text)).toBeNull());

  it('is an address of the environment, beside those of single servers', () => {
    for (const good of ['redis://a', 'rediss://a:1/2', 'redis+cluster://a:1,b:2'])
      expect(environmentFields.REDIS_URL.safeParse(good).success).toBe(true);
    for (const bad of ['a:1', 'http://a', 'redis+cluster://a:1/2'])
      expect(environmentFields.REDIS_URL.safeParse(bad).success).toBe(false);
  });
});

describe('keys of the queue role', () => {
  const { ttl } = testConfig();
  const names = (keys: KeyRegistry) => [
    keys.tradeStream(),
    keys.tradeGuard('a:1'),
    keys.cancelMark('j'),
    keys.queuePrefix,
  ];

  it('share a hash tag where they are used together in a cluster', () => {
    expect(names(new KeyRegistry('nof0', ttl, true))).toEqual([
      '{nof0:trades}:stream',
      '{nof0:trades}:ingest:trade:a%3A1',
      '{nof0:cancel}:j',
      '{nof0:bull}',
    ]);
  });

  it('have plain names otherwise', () => {
    expect(names(new KeyRegistry('nof0', ttl))).toEqual([
      'nof0:trades:stream',
      'nof0:ingest:trade:a%3A1',
      'nof0:cancel:j',
      'nof0:bull',
    ]);
  });
});
