import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { PAGES, render, stalePages } from '../../scripts/docs.ts';
import { environmentFields } from '../../src/config/environment.ts';
import { REPO } from '../paths.ts';

const read = (file: string) => readFileSync(path.join(REPO, file), 'utf8');
const MARKDOWN = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...readdirSync(path.join(REPO, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => path.posix.join('docs', name)),
];

/** Text outside code blocks. */
const prose = (file: string) => read(file).replace(/^```[\s\S]*?^```/gm, '');

/** The anchors that a page's headings make. */
function anchors(file: string): string[] {
  return [...prose(file).matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    (title ?? '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );
}

describe('generated parts', () => {
  it('say what the code says (else: npm run docs)', () => {
    expect(stalePages()).toEqual([]);
  });

  it('stand in every page that is said to have some, and in no other', () => {
    for (const page of PAGES) expect(read(page), page).toMatch(/[^/]generated:[a-z-]+/);
    const others = MARKDOWN.filter((file) => !PAGES.includes(file));
    expect(others.filter((file) => /<!-- generated:/.test(read(file)))).toEqual([]);
  });

  it('are replaced whole, and a part that does not exist is a fault', () => {
    const page = (body: string) => `before\n<!-- generated:strategies -->\n${body}<!-- /generated -->\nafter\n`;
    const first = render(page('stale words\n'));
    expect(first).toContain('| `coin-flip` |');
    expect(first).not.toContain('stale words');
    expect(first).toMatch(/^before\n[\s\S]*\nafter\n$/);
    expect(render(first)).toBe(first);
    expect(() => render('<!-- generated:nothing -->\n<!-- /generated -->\n')).toThrow(/no generated part/);
  });
});

describe('.env.example', () => {
  it('has every variable once, commented out, and no other of ours', () => {
    const names = [...read('.env.example').matchAll(/^#([A-Z][A-Z0-9_]*)=/gm)].map(([, name]) => name ?? '');
    expect(new Set(names).size).toBe(names.length);
    const others = ['MY_MODEL_KEY', 'POSTGRES_PASSWORD', 'REDIS_PASSWORD', 'GRAFANA_PASSWORD', 'MARKET'];
    expect(names.filter((name) => !others.includes(name))).toEqual(Object.keys(environmentFields));
    expect(
      read('.env.example')
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#')),
    ).toEqual([]);
  });
});

describe('links', () => {
  it.each(MARKDOWN)('of %s lead somewhere', (file) => {
    const links = [...prose(file).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link ?? '');
    for (const link of links.filter((target) => !/^[a-z]+:/.test(target))) {
      const [target = '', anchor] = link.split('#');
      const to = target === '' ? file : path.posix.join(path.posix.dirname(file), target);
      expect(existsSync(path.join(REPO, to)), `${file}: ${link}`).toBe(true);
      if (anchor !== undefined) expect(anchors(to), `${file}: ${link}`).toContain(anchor);
    }
  });

  it.each(MARKDOWN)('and paths of %s exist', (file) => {
    // "(new)" stands behind the path of a file that the reader is to make.
    const paths = [
      ...prose(file).matchAll(
        /`((?:src|workers|test|bin|config|scripts|prisma|deploy|bench|web|docs)\/[\w./-]*)`(?! \(new\))/g,
      ),
    ];
    for (const [, name = ''] of paths) expect(existsSync(path.join(REPO, name)), `${file}: ${name}`).toBe(true);
  });
});
