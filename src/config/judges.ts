/** Faults that show only when variables and the arena file are held against each other. */

import type { z } from 'zod';
import { closest } from '../domain/closest.ts';
import type { Fault } from '../errors.ts';
import type { arenaReferences } from './arena.ts';
import { environmentFields } from './environment.ts';

type References = z.infer<typeof arenaReferences>;

/** Ids that appear twice. */
export function idFaults({ models }: References, _variables: Record<string, string>, name: string): Fault[] {
  const seen = new Set<string>();
  return models.flatMap(({ id }, index) => {
    if (id === undefined) return [];
    const taken = seen.has(id);
    seen.add(id);
    return taken ? [{ path: `${name}: models.${index}.id`, expected: `an id of its own ("${id}" is taken)` }] : [];
  });
}

/** Keys of endpoints, of either desk, that are named but not set, or that are no keys. */
export function keyFaults(references: References, variables: Record<string, string>, name: string): Fault[] {
  return deciders(references).flatMap(({ model, at }) => {
    const keyName = model.endpoint?.apiKeyEnv;
    const path = `${name}: ${at}.endpoint.apiKeyEnv`;
    if (keyName === undefined) return [];
    if (Object.keys(environmentFields).includes(keyName)) {
      const expected = `a variable that holds a key; ${keyName} is the platform's own and would be sent to the endpoint`;
      return [{ path, expected }];
    }
    return variables[keyName] ? [] : [{ path, expected: `the environment variable ${keyName} to be set` }];
  });
}

/** Names of the variables that hold keys of accounts at the exchange. */
export function accountKeyNames({ models }: References): string[] {
  return models.flatMap((model) => model.live?.keyEnv ?? []);
}

/** Names of the variables that hold keys of endpoints. */
export function keyNames(references: References): string[] {
  return deciders(references).flatMap(({ model }) => model.endpoint?.apiKeyEnv ?? []);
}

/** Who is asked, on either desk, and where in the file that stands. */
export function deciders({ models, equities }: References) {
  const trader = equities?.trader;
  return [
    ...models.map((model, index) => ({ model, at: `models.${index}` })),
    ...(trader ? [{ model: trader, at: 'equities.trader' }] : []),
  ];
}

/** A misspelt NOF0_… variable would be ignored in silence; it is a fault, with the name that was probably meant. */
export function unknownVariables(variables: Record<string, string>, keys: readonly string[]): Fault[] {
  const known = Object.keys(environmentFields);
  return Object.keys(variables)
    .filter((name) => name.startsWith('NOF0_') && !known.includes(name) && !keys.includes(name))
    .map((name) => {
      const guess = closest(name, known);
      return {
        path: `environment: ${name}`,
        expected: guess ? `a known name; did you mean ${guess}?` : 'a known name',
      };
    });
}

/** Live trading: every model has an account, and a key that no other has, because numbers of requests count by key. */
export function tradingFaults({ models }: References, variables: Record<string, string>, name: string): Fault[] {
  if (variables.TRADING_MODE !== 'live') return [];
  const seen = new Map<string, number>();
  return models.flatMap((model, index) => {
    const path = `${name}: models.${index}.live`;
    const keyName = model.live?.keyEnv;
    if (model.live === undefined) return [{ path, expected: 'an account at the exchange (TRADING_MODE is live)' }];
    if (keyName === undefined) return [];
    const key = (variables[keyName] ?? '').toLowerCase();
    if (!/^0x[0-9a-f]{64}$/.test(key))
      return [
        {
          path: `${path}.keyEnv`,
          expected: `the environment variable ${keyName} to hold a private key: 0x and 64 hex digits`,
        },
      ];
    const other = seen.get(key);
    seen.set(key, index);
    return other === undefined
      ? []
      : [{ path: `${path}.keyEnv`, expected: `a key of its own (models.${other} has it too)` }];
  });
}

/** Two live models on one account would close each other's positions and share each other's margin and results. */
export function accountFaults({ models }: References, variables: Record<string, string>, name: string): Fault[] {
  if (variables.TRADING_MODE !== 'live') return [];
  const owners = new Map<string, string>();
  return models.flatMap((model, index) => {
    const address = model.live?.address?.toLowerCase();
    if (address === undefined) return [];
    const own = model.id ?? `models.${index}`;
    const other = owners.get(address);
    if (other === undefined) owners.set(address, own);
    return other === undefined
      ? []
      : [
          {
            path: `${name}: models.${index}.live.address`,
            expected: `an account of its own: "${other}" and "${own}" both name ${address}`,
          },
        ];
  });
}
