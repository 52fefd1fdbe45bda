/** The command that dies, as one file: a case starts it at least twice, and turning TypeScript into JavaScript is half of a start. */

import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { REPO } from '../paths.ts';

/** Inside the repository, where the packages that it imports are found. */
const FILE = path.join(REPO, 'node_modules/.cache/nof0-crash', `child-${process.pid}.mjs`);

/** Returns the file. */
export async function bundleChild(): Promise<string> {
  await mkdir(path.dirname(FILE), { recursive: true });
  await build({
    entryPoints: [path.join(REPO, 'test/crash/child.ts')],
    outfile: FILE,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'warning',
    plugins: [
      {
        name: 'own addresses',
        setup: ({ onLoad }) =>
          // Modules look for files beside themselves, and must find them where their source is.
          onLoad({ filter: /\/(src|workers|test)\/.*\.ts$/ }, ({ path: file }) => ({
            contents: readFileSync(file, 'utf8').replaceAll(
              'import.meta.url',
              JSON.stringify(pathToFileURL(file).href),
            ),
            loader: 'ts',
          })),
      },
    ],
  });
  return FILE;
}
