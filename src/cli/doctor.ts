/** `nof0 doctor`: what is wrong with this machine and the run's servers, and what to do about it. Changes nothing. */

import type { Command } from 'commander';
import pc from 'picocolors';
import { loadConfig } from '../config.ts';
import { examine } from '../doctor/examine.ts';
import { type Finding, type FindingState, fault } from '../doctor/finding.ts';
import { CodedError } from '../errors.ts';
import { DEFAULT_PORT } from '../http/server.ts';
import { defaultRun, lastRun } from '../run.ts';
import { print, printJson } from './output.ts';
import type { CommonFlags } from './session.ts';

const MARKS: Readonly<Record<FindingState, string>> = {
  ok: pc.green('ok     '),
  warning: pc.yellow('warning'),
  fault: pc.red('FAULT  '),
  skipped: pc.dim('skipped'),
};

export function doctorCommand(program: Command): void {
  program
    .command('doctor')
    .description(
      'look for what is wrong: versions, servers, migrations, clocks, disk, ports; exits 1 when something is',
    )
    .option('--json', 'as JSON')
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<CommonFlags & { json?: boolean }>();
      const findings = await look(flags);
      if (flags.json) printJson({ healthy: isHealthy(findings), findings });
      else show(findings);
      if (!isHealthy(findings)) process.exitCode = 1;
    });
}

async function look(flags: CommonFlags): Promise<Finding[]> {
  try {
    const config = loadConfig({
      ...(flags.arena ? { arenaFile: flags.arena } : {}),
      ...(flags.run ? { run: flags.run } : {}),
    });
    const run = config.run ?? lastRun(config) ?? defaultRun(config.servers !== null);
    return await examine(config, run, DEFAULT_PORT);
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== 'NOF0_CONFIG_INVALID') throw error;
    // Without a configuration nobody knows where to look for the rest.
    return error.faults.map(({ path, expected }) => fault('configuration', path, `expected ${expected}`));
  }
}

const isHealthy = (findings: readonly Finding[]) => findings.every(({ state }) => state !== 'fault');

function show(findings: readonly Finding[]): void {
  const width = Math.max(...findings.map(({ check }) => check.length));
  for (const { check, state, said, remedy } of findings) {
    print(`${MARKS[state]}  ${check.padEnd(width)}  ${said}`);
    if (remedy !== null) print(`${' '.repeat(width + 11)}${pc.bold('→')} ${remedy}`);
  }
  const faults = findings.filter(({ state }) => state === 'fault').length;
  print(faults === 0 ? '\nnothing is wrong' : `\n${faults} fault${faults === 1 ? '' : 's'}`);
}
