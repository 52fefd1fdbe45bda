/** `list` of a group of commands, which is also what the group does by itself. */

import type { Command } from 'commander';
import type { Resources } from '../resources.ts';
import { assertNoWord } from './flags.ts';
import { note, print, printJson, table } from './output.ts';
import { type CommonFlags, withSession } from './session.ts';

export type Listing<T> = {
  readonly description: string;
  read(resources: Resources): Promise<readonly T[]>;
  readonly head: readonly string[];
  cells(row: T): readonly (string | number)[];
  /** What is said when there is nothing to list. */
  readonly empty: string;
  /** What is said under the table. */
  below?(resources: Resources): string;
};

export function listCommand<T>(group: Command, listing: Listing<T>): void {
  group
    .command('list', { isDefault: true })
    .description(listing.description)
    .allowExcessArguments()
    .option('--json', 'as JSON')
    .action(async (_options, command: Command) => {
      assertNoWord(command);
      const flags = command.optsWithGlobals<CommonFlags & { json?: boolean }>();
      await withSession(flags, {}, async (session) => {
        const resources = await session.resources(group.name());
        const rows = await listing.read(resources);
        if (flags.json) return printJson(rows);
        if (rows.length === 0) return note(listing.empty);
        print(table(listing.head, rows.map(listing.cells)));
        if (listing.below !== undefined) note(listing.below(resources));
      });
    });
}
