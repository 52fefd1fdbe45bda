// Bundles the arena page into web/dist, which the API serves. Takes a fraction of a second, so it is done wherever the database client
// is generated, and by the tests of the page.
import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const WEB = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../web');
const DIST = path.join(WEB, 'dist');

/** Builds beside the old page and then takes its place: whoever reads meanwhile finds one of the two, whole. */
export async function buildPage() {
  const target = await mkdtemp(path.join(WEB, '.dist-'));
  try {
    const { metafile } = await build({
      entryPoints: { page: path.join(WEB, 'src/main.tsx'), style: path.join(WEB, 'src/styles/main.css') },
      absWorkingDir: WEB,
      outdir: path.join(target, 'assets'),
      entryNames: '[name]-[hash]',
      assetNames: '[name]-[hash]',
      publicPath: '/assets',
      bundle: true,
      minify: true,
      metafile: true,
      format: 'esm',
      target: ['chrome123', 'firefox121', 'safari17.5'],
      jsx: 'automatic',
      jsxImportSource: 'preact',
      loader: { '.woff2': 'file' },
      logLevel: 'warning',
    });
    const icon = await readFile(path.join(WEB, 'src/icon.svg'));
    const iconName = `icon-${createHash('sha256').update(icon).digest('hex').slice(0, 8)}.svg`;
    await writeFile(path.join(target, 'assets', iconName), icon);
    const files = Object.keys(metafile.outputs).map((file) => path.basename(file));
    files.push(iconName);
    const names = {
      script: /^page-.*\.js$/,
      style: /^style-.*\.css$/,
      font: /^inter-.*\.woff2$/,
      icon: /^icon-.*\.svg$/,
    };
    let page = await readFile(path.join(WEB, 'index.html'), 'utf8');
    for (const [name, pattern] of Object.entries(names)) {
      const file = files.find((each) => pattern.test(each));
      if (file === undefined) throw new Error(`the bundle of the page has no ${name}`);
      page = page.replaceAll(`{{${name}}}`, `/assets/${file}`);
    }
    await writeFile(path.join(target, 'index.html'), page);
    // A temporary folder is its owner's alone; who serves the page may be another user.
    await chmod(target, 0o755);
    const old = `${target}-old`;
    await rename(DIST, old).catch(() => undefined);
    await rename(target, DIST);
    await rm(old, { recursive: true, force: true });
  } catch (error) {
    await rm(target, { recursive: true, force: true });
    throw error;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildPage();
