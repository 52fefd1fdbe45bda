import { describe, expect, it } from 'vitest';
import { fill, PLACEHOLDERS, type Placeholder, parsePromptTemplate } from '../../src/domain/prompt-template.ts';

const file = (system: string, user: string, version = 'v7') =>
  `---\nversion: ${version}\n---\n\n# System\n\n${system}\n\n# User\n\n${user}\n`;
const VALUES = Object.fromEntries(Object.keys(PLACEHOLDERS).map((name) => [name, `<${name}>`])) as Record<
  Placeholder,
  string
>;

describe('a prompt file', () => {
  it('has a version, two parts and a digest of its text', () => {
    const text = file('You trade.', 'Now: {{time}}');
    expect(parsePromptTemplate(text)).toEqual({
      template: {
        version: 'v7',
        system: 'You trade.',
        user: 'Now: {{time}}',
        digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    });
    expect(parsePromptTemplate(text.replace('trade', 'Trade'))).not.toEqual(parsePromptTemplate(text));
  });

  it('is the same with the line ends and the mark that some editors write', () => {
    const text = file('You trade.', '## Account\n{{account}}');
    expect(parsePromptTemplate(`\uFEFF${text.replaceAll('\n', '\r\n')}`)).toEqual(parsePromptTemplate(text));
  });

  it.each(['', 'You trade.', '# System\nx\n# User\ny', '---\nversion: \n---\n# System\nx\n# User\ny'])(
    'without its shape is none: %j',
    (text) => {
      expect(parsePromptTemplate(text)).toEqual({ faults: [expect.stringContaining('# System')] });
    },
  );

  it('names every unknown place, and the one that was probably meant', () => {
    expect(parsePromptTemplate(file('{{acount}} {{acount}}', '{{x}}'))).toEqual({
      faults: [expect.stringContaining('did you mean {{account}}?'), expect.stringContaining('{{x}}')],
    });
  });
});

describe('filling a template', () => {
  it('puts every value into its place', () => {
    const names = Object.keys(PLACEHOLDERS);
    expect(fill(names.map((name) => `{{${name}}}`).join(' '), VALUES)).toBe(names.map((name) => `<${name}>`).join(' '));
  });

  it('leaves braces and patterns of a value alone', () => {
    const market = '{{account}} $& $1 {"a":{}}';
    expect(fill('{"x": {{market}}}', { ...VALUES, market })).toBe(`{"x": ${market}}`);
  });
});
